"""What can be set, by ``IAM_…`` variables: a secret also by a file that ``IAM_…_FILE`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_MIB = 1024 * 1024


class FileSource(PydanticBaseSettingsSource):
    """``IAM_CLIENT_SECRET_FILE=/run/secrets/client`` sets ``IAM_CLIENT_SECRET`` to what the file holds."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The file's content without the blanks around it."""
        path = os.environ.get(f"IAM_{field_name.upper()}_FILE")
        return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All fields for which a file is named."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _named(name: str) -> AliasChoices:
    """The variables ``IAM_NAME`` and, as azure-identity has it, ``AZURE_NAME``."""
    return AliasChoices(f"IAM_{name}", f"AZURE_{name}")


class Settings(BaseSettings):
    """The backend's settings."""

    model_config = SettingsConfigDict(env_prefix="IAM_", extra="ignore", frozen=True, populate_by_name=True)

    tenant_id: str = Field(validation_alias=_named("TENANT_ID"))
    """The Entra tenant that is administered, and whose tokens are taken."""
    client_id: str = Field(validation_alias=_named("CLIENT_ID"))
    """The application that does everything: no caller's token is ever passed on."""
    client_secret: SecretStr = Field(validation_alias=_named("CLIENT_SECRET"))
    """Its secret."""
    authority: str = "https://login.microsoftonline.com"
    """The identity platform of the cloud."""
    graph_url: str | None = None
    """Microsoft Graph elsewhere than in the public cloud."""
    arm_url: str | None = None
    """Azure Resource Manager elsewhere than in the public cloud."""
    scim_url: str | None = None
    """The SCIM application that the policy names, where it names one."""
    scim_token: SecretStr | None = None
    """The bearer token of that application."""
    subscription: str | None = None
    """The subscription of ``/arm``, where a request names none."""
    ca_bundle: Path | None = None
    """Certificate authorities (PEM) that are trusted beside the system's."""

    policy: Path = Path("policy.toml")
    """The policy document."""
    journal: str = "sqlite:iam.sqlite"
    """``sqlite:FILE`` (one process, which also does the work) or ``postgres://…`` (any number of both)."""
    data_dir: Path = Path("iam-data")
    """Uploads, drafts and the SCIM store: on PostgreSQL one directory for all processes."""
    worker: Literal["auto", "on", "off"] = "auto"
    """Whether this process carries plans out: ``auto`` does on SQLite, where no other process can."""
    workers: int = Field(default=4, ge=1, le=64)
    """How many workers, where it does."""

    api_audience: str | None = None
    """The audience of tokens that are taken: the API's client id (which stands for ``api://{client id}`` too) or another
    application ID URI. By default the platform's own client id."""
    api_scope: str = "access_as_user"
    """The scope that signing in asks for (OpenAPI)."""
    webhook_secret: SecretStr | None = None
    """Takes ``/hr/events`` without a token that are signed with it (Standard Webhooks; at least 24 bytes)."""

    body_limit: int = Field(default=_MIB, ge=1024)
    """The longest body in bytes, but for uploads."""
    upload_limit: int = Field(default=256 * _MIB, ge=1024)
    """The longest upload in bytes."""
    rate: float = Field(default=0.0, ge=0)
    """Requests a second that one caller may make in the long run; 0 sets no limit."""
    rate_burst: int = Field(default=200, ge=1)
    """How many of them may come at once."""
    request_timeout: float = Field(default=60.0, gt=0)
    """Seconds after which a request is given up; uploads and event streams may take longer."""
    idle_timeout: float = Field(default=30.0, gt=0)
    """Seconds that the sender of an upload may pause."""
    max_wait: float = Field(default=30.0, ge=0, le=300)
    """The longest ``?wait=`` in seconds."""

    docs: bool = True
    """Whether ``/docs`` and ``/openapi.json`` are there."""
    base_url: str | None = None
    """Where clients reach the API, such as ``https://iam.contoso.example``: in SCIM locations."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on the log is written."""

    @property
    def audience(self) -> str:
        """The audience of tokens that are taken."""
        return self.api_audience or self.client_id

    @property
    def works(self) -> bool:
        """Whether this process carries plans out."""
        return self.worker == "on" or (self.worker == "auto" and not self.journal.startswith("postgres"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then files."""
        return init_settings, env_settings, FileSource(settings_cls)
