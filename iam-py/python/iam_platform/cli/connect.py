"""The settings of the command line, and what is opened with them: journal, policy, tenant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

import iam_platform
from iam_platform import IamError
from iam_platform.checks import chain

from .output import REFUSED, USAGE, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where settings are looked for, in this order.
_PREFIXES = ("IAM_", "AZURE_")
_NEEDED = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")


def read_env_file(path: Path) -> dict[str, str]:
    """Reads ``NAME=value`` lines, as ``iam-platform sandbox --env-file`` writes them; comments and quotes are known."""
    with path.open(encoding="utf-8") as file:
        values = dotenv_values(stream=file, interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Settings:
    """What the environment, an env file and the options say."""

    output: Output
    env: Mapping[str, str]
    journal: str
    policy: Path | None

    @classmethod
    def of(cls, output: Output, *, env_file: Path | None, journal: str | None, policy: Path | None) -> Settings:
        """Puts them together: an option wins over the env file, the file over the environment."""
        env = dict(os.environ)
        if env_file is not None:
            try:
                env |= read_env_file(env_file)
            except OSError as error:
                output.fail(f"the env file {env_file} cannot be read: {error.strerror}", USAGE)
        named = env.get("IAM_POLICY")
        return cls(
            output=output,
            env=env,
            journal=journal or env.get("IAM_JOURNAL") or "sqlite:iam.sqlite",
            policy=policy or (Path(named) if named else None),
        )

    def value(self, name: str) -> str | None:
        """A setting by its name without prefix (``TENANT_ID``)."""
        found = (self.env.get(prefix + name) for prefix in _PREFIXES)
        return next((value for value in found if value), None)

    def missing(self) -> list[str]:
        """Which of the settings that a tenant needs are not there."""
        return [f"IAM_{name}" for name in _NEEDED if not self.value(name)]

    def adopt(self) -> None:
        """Makes an env file's values those of the process: the clients read the environment."""
        for name, value in self.env.items():
            if name.startswith(_PREFIXES):
                os.environ[name] = value
        missing = self.missing()
        if missing:
            self.output.fail(
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
                USAGE,
                advice="Set them (AZURE_… works too), or give --env-file FILE. "
                "For a tenant to try things on: iam-platform sandbox --env-file FILE",
            )

    def read_policy(self, file: Path | None = None, *, code: int = USAGE) -> iam_platform.Policy:
        """The policy document of that file, or the one that is set; ends the command with ``code`` if it is no good."""
        path = file or self.policy
        if path is None:
            self.output.fail("no policy is named", USAGE, advice="Name a file, give --policy FILE or set IAM_POLICY.")
        try:
            return iam_platform.Policy.load(str(path))
        except IamError as error:
            self.output.fail(f"the policy {path} is not used: {chain(error)}", code)

    def open_engine(
        self, policy: iam_platform.Policy | None = None, *, journal: str | None = None
    ) -> iam_platform.Engine:
        """The engine on the tenant, the journal and the policy of the settings, or on those that are given."""
        self.adopt()
        policy = policy or self.read_policy()
        graph = iam_platform.GraphClient()
        arm = iam_platform.ArmClient() if policy.azure_scopes else None
        apps = policy.apps
        scim = {apps[0]: iam_platform.ScimClient()} if len(apps) == 1 and self.env.get("IAM_SCIM_URL") else None
        try:
            return iam_platform.Engine.open(
                policy,
                journal=journal or self.journal,
                tenant_id=self.value("TENANT_ID"),
                graph=graph,
                arm=arm,
                scim=scim,
                actor=actor(self.env),
            )
        except IamError as error:
            self.output.fail(chain(error), REFUSED, facts=facts(error))


def actor(env: Mapping[str, str]) -> str:
    """Who acts, for the audit."""
    return env.get("IAM_ACTOR") or env.get("USER") or "iam-platform"


def facts(error: IamError) -> dict[str, object]:
    """What a machine wants to know of a failure."""
    names = ("kind", "code", "status", "request_id", "operation", "retry_after")
    return {name: value for name in names if (value := getattr(error, name)) is not None}
