"""``iam-platform policy``: is a policy sound, does it do what its tests say, who gains and loses by a new one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import iam_platform
from iam_platform import IamError

from .connect import Settings, chain
from .output import FOUND, USAGE

app = typer.Typer(help="Check, test, compare and import policies.", no_args_is_help=True)
