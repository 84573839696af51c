"""The command line ``iam-platform`` (extra ``cli``): ``iam-platform --help`` lists the commands.

Exit codes, of every command: 0 done; 1 it ran, and found or left something that somebody must look at; 2 it was not
called rightly, or a setting or a package is missing; 3 the tenant, the journal or the backend refused or could not be
reached; 130 ended by Ctrl-C.
"""

from __future__ import annotations

from .app import app, main

__all__ = ["app", "main"]
