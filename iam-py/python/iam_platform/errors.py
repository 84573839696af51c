"""What can go wrong: one root, one class for each kind of failure."""

from __future__ import annotations

from typing import Any


class IamError(Exception):
    """The root of everything that this package raises for a failure of its work.

    Attributes:
        kind: the stable name of the failure, for example ``"not_found"``.
        code: the service's own error code, for example ``"Request_ResourceNotFound"``.
        status: the HTTP status, where there was an answer.
        request_id: the service's request id.
        client_request_id: the id that the request was sent with.
        operation: what was being done, for example ``"create user"``.
        reason: what the kind leaves open, for example ``"already_member"``.
        property: the property that it is about, where the service named one.
        retry: ``"never"``, ``"after"`` or ``"exhausted"``.
        retry_after: seconds to wait before trying again, where the service said so.
        body: what the service answered, where that was a JSON object. It may hold personal data: do not log it.
    """

    kind = "other"

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        client_request_id: str | None = None,
        operation: str | None = None,
        reason: str | None = None,
        property: str | None = None,  # noqa: A002
        retry: str = "never",
        retry_after: float | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind
        self.code = code
        self.status = status
        self.request_id = request_id
        self.client_request_id = client_request_id
        self.operation = operation
        self.reason = reason
        self.property = property
        self.retry = retry
        self.retry_after = retry_after
        self.body = body


class NotFoundError(IamError):
    """The object does not exist."""

    kind = "not_found"


class NotYetReplicatedError(IamError):
    """The object was created moments ago and is not visible everywhere yet."""

    kind = "not_yet_replicated"


class AlreadyExistsError(IamError):
    """An object with that unique key exists."""

    kind = "already_exists"


class ConflictError(IamError):
    """The state changed underneath, or contradicts the request."""

    kind = "conflict"


class DeniedError(IamError):
    """The identity used may not do this."""

    kind = "denied"


class UnauthenticatedError(IamError):
    """The credential or token was refused."""

    kind = "unauthenticated"


class ThrottledError(IamError):
    """The service asks for patience: see ``retry_after``."""

    kind = "throttled"


class UnavailableError(IamError):
    """The service could not be reached or failed."""

    kind = "unavailable"


class OutcomeUnknownError(IamError):
    """The answer was lost after the request was sent: read back before repeating."""

    kind = "outcome_unknown"


class InvalidError(IamError):
    """The request, document or input is wrong."""

    kind = "invalid"


class LicenseExhaustedError(IamError):
    """No licence seat is free."""

    kind = "license_exhausted"


class ResyncNeededError(IamError):
    """A remembered place in a list of changes is too old: read everything anew."""

    kind = "resync_needed"


class DependencyFailedError(IamError):
    """It was not tried, because what it depends on failed."""

    kind = "dependency_failed"


class GuardedError(IamError):
    """A protected account or a blast-radius limit forbids it."""

    kind = "guarded"


class StorageError(IamError):
    """The journal could not be read or written."""

    kind = "storage"


class FencedError(IamError):
    """A worker lost its lease, so that its write was refused."""

    kind = "fenced"


class ProtocolError(IamError):
    """The peer broke its protocol: an answer that cannot be understood."""

    kind = "protocol"


_CLASSES: dict[str, type[IamError]] = {cls.kind: cls for cls in IamError.__subclasses__()}


def raised(kind: str, message: str, **facts: object) -> IamError:
    """Makes the exception for a kind; a kind that is not known here is an :class:`IamError` that names it."""
    return _CLASSES.get(kind, IamError)(message, kind=kind, **facts)  # type: ignore[arg-type]
