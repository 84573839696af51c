"""``python -m iam_platform.ui``: the UI with the settings of the environment, on the port of ``IAM_UI_PORT`` or 8501."""

from __future__ import annotations

import os

from .server import run
from .settings import Settings

run(Settings.of(), host=os.environ.get("IAM_UI_HOST", "127.0.0.1"), port=int(os.environ.get("IAM_UI_PORT", "8501")))
