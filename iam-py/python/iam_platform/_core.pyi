"""The compiled half of :mod:`iam_platform`: import its names from there."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from os import PathLike
from typing import Any, Protocol, TypeAlias, TypedDict, final, overload

from typing_extensions import Self, Unpack

from .errors import IamError

__version__: str
build_profile: str
"""``"release"`` or ``"debug"``."""

class _Model(Protocol):
    """A pydantic model, by its most telling method."""

    def model_dump(self, **how: Any) -> dict[str, Any]: ...

_Json: TypeAlias = str | bytes | Mapping[str, Any] | Sequence[Any] | _Model

class _TokenCredential(Protocol):
    """What azure-identity's credentials are."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Gives an object with ``token`` and ``expires_on`` (seconds since 1970), or an awaitable of one."""

_Credential: TypeAlias = ClientSecretCredential | _TokenCredential

@final
class AccessToken:
    """A token as azure-identity's credentials give it. It prints without the token."""

    @property
    def token(self) -> str:
        """The token itself. Do not log it."""

    @property
    def expires_on(self) -> int:
        """When it expires, in seconds since 1970."""

    @property
    def refresh_on(self) -> int | None:
        """When it should be renewed, where the service said so."""

class _Query(TypedDict, total=False):
    """Options of a collection."""

    filter: str | None
    """``$filter`` as Graph writes it. A filter that only an advanced query answers is sent as one."""
    search: str | None
    """``$search``, for example ``displayName:ada``."""
    select: str | Iterable[str] | None
    """Which properties to read."""
    expand: str | Iterable[str] | None
    """What else to read with each object, for example ``manager($select=id)``."""
    orderby: str | Iterable[str] | None
    """By which properties, for example ``displayName desc``."""
    top: int | None
    """How many objects a page has. All pages are read nevertheless, as far as they are asked for."""
    count: bool
    """Also count all: see ``Listing.count``."""
    advanced: bool | None
    """Ask as an advanced query, or not, whatever the rules say."""

@final
class Company:
    """A generated company, and what its HR system exports about it: for demonstrations and tests.

    The same for the same numbers. People of many languages in offices around the world join, move and leave.

    Args:
        people: how many human beings there are in the course of the history.
        start: the day of the first export, as yyyy-mm-dd.
        exports: how many exports there are.
        every_days: days from one export to the next.
        seed: who meets which fate, and when, depends on it.
        calm: only what needs nobody's decision happens, to few enough for a guard to let it pass.

    Raises:
        InvalidError: ``start`` is no date.
    """

    def __new__(
        cls, people: int, *, start: str, exports: int = 2, every_days: int = 7, seed: int = 1, calm: bool = False
    ) -> Self: ...
    @property
    def days(self) -> list[str]:
        """The days of the exports, as yyyy-mm-dd."""

    def export(self, number: int, format: str = "csv") -> str:
        """One export as text.

        Args:
            number: which, from 0.
            format: ``"csv"``, ``"json"``, or ``"workday_events"`` (what was entered since the export before).

        Raises:
            InvalidError: there is no such export or format.
        """

@final
class ClientSecretCredential:
    """An application that signs in with its client secret.

    Args:
        tenant_id: the tenant's id or one of its domains.
        client_id: the application's id.
        client_secret: its secret. It is printed nowhere.
        authority: where tokens come from, unless the client that it is given to says so.
        ca_bundle: a PEM file of certificates to trust there.
    """

    def __new__(
        cls,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        *,
        authority: str | None = None,
        ca_bundle: str | None = None,
    ) -> Self: ...
    @staticmethod
    def from_env() -> ClientSecretCredential:
        """The application of ``IAM_TENANT_ID``, ``IAM_CLIENT_ID`` and ``IAM_CLIENT_SECRET`` (or ``AZURE_…``).

        Raises:
            InvalidError: names the variable that is missing.
        """

    def get_token(self, *scopes: str, claims: str | None = None, **_options: Any) -> AccessToken:
        """Gives a token, kept until it is due, so that Microsoft's own clients take this credential too. It blocks.

        Args:
            scopes: one, for example ``https://graph.microsoft.com/.default``.
            claims: the claims challenge that the token must answer.

        Raises:
            UnauthenticatedError: the application was refused.
            InvalidError: not one scope.
        """

    @property
    def tenant_id(self) -> str:
        """The tenant."""

    @property
    def client_id(self) -> str:
        """The application."""

@final
class Response:
    """A service's answer, whatever its status."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""

    @property
    def headers(self) -> dict[str, str]:
        """By name, in lower case."""

    @property
    def content(self) -> bytes:
        """The body."""

    @property
    def text(self) -> str:
        """The body, read as UTF-8."""

    @property
    def attempts(self) -> int:
        """How many times the request was sent until this answer came."""

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: it is none.
        """

@final
class Listing(Iterator[dict[str, Any]]):
    """The objects of a collection, page by page as they are asked for. Stop, and nothing more is read."""

    @property
    def count(self) -> int | None:
        """How many objects there are in all, once the first page is read, where that was asked for."""

    @property
    def link(self) -> str | None:
        """Where to go on later, with ``list``: objects may come twice that way. It may hold personal data."""

    @property
    def delta_link(self) -> str | None:
        """Where the next round of changes starts, once the last page is read."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> dict[str, Any]: ...
    def all(self) -> list[dict[str, Any]]:
        """All that are left, in memory."""

@final
class AsyncListing(AsyncIterator[dict[str, Any]]):
    """The objects of a collection, page by page as they are asked for. Stop, and nothing more is read."""

    @property
    def count(self) -> int | None:
        """How many objects there are in all, once the first page is read, where that was asked for."""

    @property
    def link(self) -> str | None:
        """Where to go on later, with ``list``: objects may come twice that way. It may hold personal data."""

    @property
    def delta_link(self) -> str | None:
        """Where the next round of changes starts, once the last page is read."""

    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> dict[str, Any]: ...
    async def all(self) -> list[dict[str, Any]]:
        """All that are left, in memory."""

@final
class GraphClient:
    """A client of Microsoft Graph whose calls wait.

    The arguments that are left out come from the environment.

    Args:
        credential: a :class:`ClientSecretCredential`, or any object with azure-identity's ``get_token``, sync or
            async; the
            application of ``IAM_TENANT_ID``, ``IAM_CLIENT_ID`` and ``IAM_CLIENT_SECRET`` (or ``AZURE_…``),
                unless given.
            Tokens are kept and renewed here.
        cloud: ``public``, ``us_government`` or ``china``.
        authority: where tokens come from (``IAM_AUTHORITY``).
        graph_url: Microsoft Graph (``IAM_GRAPH_URL``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        limits: the rate budget that calls wait for: ``"default"`` (that of the smallest tenant), the number of
            users in
            the tenant, or ``None`` for no budget.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        credential: _Credential | None = None,
        *,
        cloud: str | None = None,
        authority: str | None = None,
        graph_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        limits: str | int | None = ...,
        timeout: float | None = None,
    ) -> Self: ...
    def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        beta: bool = False,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token, retries and rate budget of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash, ids in it percent-encoded; a link of the service's is taken too, on its
                host only.
            json: the body.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            beta: asks the beta endpoint.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    def batch(
        self, requests: Sequence[Mapping[str, Any]] | str | bytes, *, parallel: int = 4
    ) -> list[Response | IamError]:
        """Sends any number of requests, twenty in each HTTP request, each retried and paid for by itself.

        Args:
            requests: as Graph's documentation writes them: ``url``, and perhaps ``method`` (GET), ``body``,
                ``headers``,
                ``id`` (its number, from 1) and ``dependsOn`` (ids of requests before it).
            parallel: how many HTTP requests are on their way at once.

        Returns:
            One outcome for each request, in their order. A request that failed gives its error; it is not raised.
        """

    def delta(
        self,
        path: str = ...,
        *,
        select: str | Iterable[str] | None = None,
        link: str | None = None,
        minimal: bool = False,
        from_now: bool = False,
    ) -> Listing:
        """Lists what has changed, as Graph sends it: ``@removed`` marks what is gone.

        One object may come several times, its later state last.

        Read to the end, the listing has a ``delta_link``: store it once all changes are dealt with, and give it
        as ``link`` the next
        time.

        Args:
            path: the collection: ``/users``, ``/groups``, ``/servicePrincipals`` and so on.
            select: only changes of these properties.
            link: what has changed since that link was given; without one, everything there is.
            minimal: of a changed object, only what has changed.
            from_now: nothing of what there is, only the link from which on changes come.

        Raises:
            ResyncNeededError: the link is too old: read everything anew. Raised while the listing is read.
        """

    def organization(self) -> dict[str, Any]:
        """Reads the tenant: its name, domains and plans."""

    def user(
        self, id: str, *, select: str | Iterable[str] | None = None, expand: str | Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Reads a user, by id or user principal name.

        Args:
            id: the object id or the user principal name.
            select: the properties to read; all that the lifecycle works with, unless named.
            expand: what it is related to, for example ``"manager($select=id)"``.

        Raises:
            NotFoundError: there is none, or it is deleted.
        """

    def create_user(self, properties: _Json) -> dict[str, Any]:
        """Creates a user with Graph's properties.

        A mail nickname and a password that nobody knows are added where there are none.

        Raises:
            AlreadyExistsError: ``property`` names what is taken.
            OutcomeUnknownError: the answer was lost: look the user up before you repeat it.
        """

    def update_user(self, id: str, properties: _Json) -> None:
        """Sets properties; ``None`` clears one."""

    def enable_user(self, id: str) -> None:
        """Allows sign-in."""

    def disable_user(self, id: str) -> None:
        """Blocks sign-in. Sessions go on until they are revoked."""

    def delete_user(self, id: str) -> None:
        """Deletes a user, who can be restored for 30 days."""

    def manager(self, id: str, *, select: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Reads a user's manager.

        Raises:
            NotFoundError: there is none.
        """

    def set_manager(self, id: str, manager: str) -> None:
        """Links the manager, by object id."""

    def remove_manager(self, id: str) -> None:
        """Ends the link to the manager."""

    def reset_password(self, id: str, password: str | None = None) -> None:
        """Replaces the password; it has to be changed at the next sign-in.

        Args:
            id: the user.
            password: the new one; one that nobody knows, unless given.
        """

    def revoke_sessions(self, id: str) -> None:
        """Ends all sessions and refresh tokens, within minutes."""

    def create_access_pass(
        self, id: str, *, minutes: int | None = None, once: bool | None = None, start: str | None = None
    ) -> dict[str, Any]:
        """Issues a temporary access pass.

        Args:
            id: the user.
            minutes: how long it works; as the tenant's policy says, unless given.
            once: whether it works once only.
            start: from when on, in RFC 3339.

        Returns:
            The pass, once and never again: ``temporaryAccessPass`` is its text. Do not log it.
        """

    def delete_access_pass(self, id: str, access_pass: str) -> None:
        """Withdraws a temporary access pass, by its id."""

    def restore(self, id: str) -> dict[str, Any]:
        """Restores a deleted user or group, by object id."""

    def purge(self, id: str) -> None:
        """Deletes what is deleted for good, by object id."""

    def group(
        self, id: str, *, select: str | Iterable[str] | None = None, expand: str | Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Reads a group, by id.

        Raises:
            NotFoundError: there is none, or it is deleted.
        """

    def create_group(self, properties: _Json) -> dict[str, Any]:
        """Creates a group with Graph's properties."""

    def update_group(self, id: str, properties: _Json) -> None:
        """Sets properties of a group."""

    def delete_group(self, id: str) -> None:
        """Deletes a group."""

    def add_group_member(self, group: str, member: str) -> None:
        """Adds a member.

        Raises:
            AlreadyExistsError: it is one, with the reason ``already_member``.
        """

    def add_group_members(self, group: str, members: Sequence[str]) -> None:
        """Adds up to twenty members in one request: all or none."""

    def remove_group_member(self, group: str, member: str) -> None:
        """Removes a direct member.

        Raises:
            NotFoundError: it is none.
        """

    def add_group_owner(self, group: str, owner: str) -> None:
        """Adds an owner."""

    def remove_group_owner(self, group: str, owner: str) -> None:
        """Removes an owner."""

    def check_member_groups(self, id: str, groups: Sequence[str]) -> list[str]:
        """Says in which of these groups an object is, directly or not."""

    def assign_license(
        self, id: str, add: Sequence[str | Mapping[str, Any]] = ..., remove: Sequence[str] = ...
    ) -> dict[str, Any]:
        """Gives and takes licences in one request.

        Args:
            id: the user.
            add: SKU ids, or objects with ``skuId`` and ``disabledPlans``.
            remove: SKU ids.

        Raises:
            LicenseExhaustedError: no seat is free.
            InvalidError: the user has no usage location.
        """

    def activate_role(self, template: str) -> dict[str, Any]:
        """Activates a directory role from its template, so that it can have members."""

    def add_role_member(self, role: str, member: str) -> None:
        """Gives an activated directory role to somebody."""

    def remove_role_member(self, role: str, member: str) -> None:
        """Takes an activated directory role from somebody."""

    def assign_role(self, principal: str, role: str, scope: str = ...) -> dict[str, Any]:
        """Assigns a role definition to a principal, in the whole tenant or in a scope."""

    def remove_role_assignment(self, id: str) -> None:
        """Removes a role assignment, by its id."""

    def service_principal(self, id: str, *, select: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Reads the service principal of an application, by object id."""

    def assign_app_role(self, principal: str, resource: str, role: str) -> dict[str, Any]:
        """Gives a role of an application.

        Args:
            principal: the object id of a user, a group or a service principal.
            resource: the object id of the application's service principal.
            role: the id of the role; zeros where the application has declared none.
        """

    def remove_app_role(self, user: str, assignment: str) -> None:
        """Takes a role of an application from a user, by the assignment's id."""

    def users(self, **options: Unpack[_Query]) -> Listing:
        """Lists users.

        Unless properties are selected, all that the lifecycle works with are read.
        """

    def direct_reports(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists who reports to a user."""

    def authentication_methods(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists how a user can sign in."""

    def access_passes(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists a user's temporary access passes."""

    def deleted_users(self, **options: Unpack[_Query]) -> Listing:
        """Lists users that can be restored."""

    def deleted_groups(self, **options: Unpack[_Query]) -> Listing:
        """Lists groups that can be restored."""

    def directory_audits(self, **options: Unpack[_Query]) -> Listing:
        """Lists changes in the directory."""

    def sign_ins(self, **options: Unpack[_Query]) -> Listing:
        """Lists sign-ins. Needs Entra ID P1."""

    def domains(self, **options: Unpack[_Query]) -> Listing:
        """Lists the tenant's domains."""

    def list(self, path: str, **options: Unpack[_Query]) -> Listing:
        """Lists any collection, for example ``/applications``; a ``link`` of an earlier listing goes on there."""

    def groups(self, **options: Unpack[_Query]) -> Listing:
        """Lists groups."""

    def group_members(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists the direct members of a group."""

    def transitive_group_members(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists the members of a group, those of its groups included."""

    def group_owners(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists the owners of a group."""

    def user_memberships(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists the groups, roles and units that a user is a direct member of."""

    def transitive_user_memberships(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists what a user is a member of, directly or through groups."""

    def skus(self, **options: Unpack[_Query]) -> Listing:
        """Lists the licences that the tenant has bought."""

    def license_details(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists a user's licences with their plans."""

    def directory_roles(self, **options: Unpack[_Query]) -> Listing:
        """Lists the activated directory roles."""

    def role_members(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists who has an activated directory role."""

    def role_definitions(self, **options: Unpack[_Query]) -> Listing:
        """Lists the role definitions of the directory."""

    def role_assignments(self, **options: Unpack[_Query]) -> Listing:
        """Lists who has been assigned which role definition where."""

    def service_principals(self, **options: Unpack[_Query]) -> Listing:
        """Lists the applications in the tenant."""

    def app_role_assignments(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists a user's roles of applications."""

    def app_role_holders(self, id: str, **options: Unpack[_Query]) -> Listing:
        """Lists who has a role of an application, by its service principal."""

@final
class ArmClient:
    """A client of Azure Resource Manager whose calls wait.

    The arguments that are left out come from the environment.

    Args:
        credential: a :class:`ClientSecretCredential`, or any object with azure-identity's ``get_token``, sync or
            async; the
            application of ``IAM_TENANT_ID``, ``IAM_CLIENT_ID`` and ``IAM_CLIENT_SECRET`` (or ``AZURE_…``),
                unless given.
            Tokens are kept and renewed here.
        cloud: ``public``, ``us_government`` or ``china``.
        authority: where tokens come from (``IAM_AUTHORITY``).
        graph_url: Microsoft Graph (``IAM_GRAPH_URL``).
        arm_url: Azure Resource Manager (``IAM_ARM_URL``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        credential: _Credential | None = None,
        *,
        cloud: str | None = None,
        authority: str | None = None,
        graph_url: str | None = None,
        arm_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
    ) -> Self: ...
    def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token and retries of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash and names its ``api-version``, unless ``params`` does.
            json: the body.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    def subscription(self, id: str) -> dict[str, Any]:
        """Reads a subscription."""

    def resource_group(self, subscription: str, name: str) -> dict[str, Any]:
        """Reads a resource group."""

    def create_resource_group(
        self, subscription: str, name: str, location: str, tags: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Creates a resource group, or replaces the tags of the one there is."""

    def role_definition(self, at: str, name: str) -> dict[str, Any]:
        """Reads the role of that name at a scope.

        Raises:
            NotFoundError: there is none.
            ConflictError: there are two; use the id.
        """

    def assign_role(self, at: str, role: str, principal: str, principal_type: str = ...) -> dict[str, Any]:
        """Assigns a role at a scope. Repeating it is harmless.

        A principal that Azure does not know yet is waited for.

        Args:
            at: the scope: ``/subscriptions/…``, a resource group's or a resource's id, or a management group.
            role: the GUID of the role definition.
            principal: the object id.
            principal_type: ``User``, ``Group``, ``ServicePrincipal``, ``ForeignGroup`` or ``Device``.

        Raises:
            NotYetReplicatedError: the principal did not appear in time.
        """

    def remove_role_assignment(self, id: str) -> bool:
        """Removes an assignment by its full id. ``False``: it was not there."""

    def subscriptions(self) -> Listing:
        """Lists the subscriptions that the credential can see."""

    def resource_groups(self, subscription: str, *, filter: str | None = None) -> Listing:
        """Lists the resource groups of a subscription."""

    def role_definitions(self, at: str, *, filter: str | None = None) -> Listing:
        """Lists the roles that can be assigned at a scope."""

    def role_assignments(self, at: str, *, filter: str | None = None) -> Listing:
        """Lists the assignments at, above and below a scope, for example with ``principalId eq '…'``."""

    def list(self, path: str) -> Listing:
        """Lists any collection; the path names its ``api-version``."""

@final
class ScimClient:
    """A client of one SCIM 2.0 service provider whose calls wait.

    The arguments that are left out come from the environment.

    Args:
        base_url: for example ``https://app.example/scim/v2`` (``IAM_SCIM_URL``).
        token: the long-lived bearer token that the application issued (``IAM_SCIM_TOKEN``).
        credential: instead of a token: a :class:`ClientSecretCredential`, or any object with azure-identity's
            ``get_token``, sync or async.
        scope: what the credential is asked for.
        authority: where tokens come from (``IAM_AUTHORITY``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        base_url: str | None = None,
        token: str | None = None,
        credential: _Credential | None = None,
        *,
        scope: str | None = None,
        authority: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
    ) -> Self: ...
    def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token and retries of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash, below the base URL.
            json: the body, sent as ``application/scim+json``.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    def user(self, id: str) -> dict[str, Any]:
        """Reads a user."""

    def create_user(self, resource: _Json) -> dict[str, Any]:
        """Creates a user."""

    def replace_user(self, id: str, resource: _Json) -> dict[str, Any]:
        """Replaces a user: what is not in it is cleared."""

    def patch_user(self, id: str, operations: _Json) -> dict[str, Any] | None:
        """Changes a user, by operations as RFC 7644 writes them, or by all of the message.

        Returns:
            The user as it is then, where the server sent it.
        """

    def delete_user(self, id: str) -> None:
        """Deletes a user, for good."""

    def group(self, id: str) -> dict[str, Any]:
        """Reads a group."""

    def create_group(self, resource: _Json) -> dict[str, Any]:
        """Creates a group."""

    def replace_group(self, id: str, resource: _Json) -> dict[str, Any]:
        """Replaces a group: what is not in it is cleared."""

    def patch_group(self, id: str, operations: _Json) -> dict[str, Any] | None:
        """Changes a group, by operations as RFC 7644 writes them, or by all of the message.

        Returns:
            The group as it is then, where the server sent it.
        """

    def delete_group(self, id: str) -> None:
        """Deletes a group, for good."""

    def add_member(self, group: str, user: str) -> None:
        """Makes a user a member of a group."""

    def remove_member(self, group: str, user: str) -> None:
        """Ends a membership."""

    def service_provider_config(self) -> dict[str, Any]:
        """Reads what the server is able to do."""

    def users(
        self,
        *,
        filter: str | None = None,
        attributes: str | None = None,
        excluded: str | None = None,
        count: int | None = None,
    ) -> Listing:
        """Lists users, for example with ``userName eq "ada"``; ``count`` is the size of a page."""

    def groups(
        self,
        *,
        filter: str | None = None,
        attributes: str | None = None,
        excluded: str | None = None,
        count: int | None = None,
    ) -> Listing:
        """Lists groups; ``count`` is the size of a page."""

    def resource_types(self) -> Listing:
        """Lists the sorts of resources that the server has."""

    def schemas(self) -> Listing:
        """Lists the schemas that the server knows."""

    def list(self, path: str) -> Listing:
        """Lists any collection."""

@final
class AsyncGraphClient:
    """A client of Microsoft Graph whose calls are awaited.

    The arguments that are left out come from the environment.

    Args:
        credential: a :class:`ClientSecretCredential`, or any object with azure-identity's ``get_token``, sync or
            async; the
            application of ``IAM_TENANT_ID``, ``IAM_CLIENT_ID`` and ``IAM_CLIENT_SECRET`` (or ``AZURE_…``),
                unless given.
            Tokens are kept and renewed here.
        cloud: ``public``, ``us_government`` or ``china``.
        authority: where tokens come from (``IAM_AUTHORITY``).
        graph_url: Microsoft Graph (``IAM_GRAPH_URL``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        limits: the rate budget that calls wait for: ``"default"`` (that of the smallest tenant), the number of
            users in
            the tenant, or ``None`` for no budget.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        credential: _Credential | None = None,
        *,
        cloud: str | None = None,
        authority: str | None = None,
        graph_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        limits: str | int | None = ...,
        timeout: float | None = None,
    ) -> Self: ...
    async def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        beta: bool = False,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token, retries and rate budget of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash, ids in it percent-encoded; a link of the service's is taken too, on its
                host only.
            json: the body.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            beta: asks the beta endpoint.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    async def batch(
        self, requests: Sequence[Mapping[str, Any]] | str | bytes, *, parallel: int = 4
    ) -> list[Response | IamError]:
        """Sends any number of requests, twenty in each HTTP request, each retried and paid for by itself.

        Args:
            requests: as Graph's documentation writes them: ``url``, and perhaps ``method`` (GET), ``body``,
                ``headers``,
                ``id`` (its number, from 1) and ``dependsOn`` (ids of requests before it).
            parallel: how many HTTP requests are on their way at once.

        Returns:
            One outcome for each request, in their order. A request that failed gives its error; it is not raised.
        """

    def delta(
        self,
        path: str = ...,
        *,
        select: str | Iterable[str] | None = None,
        link: str | None = None,
        minimal: bool = False,
        from_now: bool = False,
    ) -> AsyncListing:
        """Lists what has changed, as Graph sends it: ``@removed`` marks what is gone.

        One object may come several times, its later state last.

        Read to the end, the listing has a ``delta_link``: store it once all changes are dealt with, and give it
        as ``link`` the next
        time.

        Args:
            path: the collection: ``/users``, ``/groups``, ``/servicePrincipals`` and so on.
            select: only changes of these properties.
            link: what has changed since that link was given; without one, everything there is.
            minimal: of a changed object, only what has changed.
            from_now: nothing of what there is, only the link from which on changes come.

        Raises:
            ResyncNeededError: the link is too old: read everything anew. Raised while the listing is read.
        """

    async def organization(self) -> dict[str, Any]:
        """Reads the tenant: its name, domains and plans."""

    async def user(
        self, id: str, *, select: str | Iterable[str] | None = None, expand: str | Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Reads a user, by id or user principal name.

        Args:
            id: the object id or the user principal name.
            select: the properties to read; all that the lifecycle works with, unless named.
            expand: what it is related to, for example ``"manager($select=id)"``.

        Raises:
            NotFoundError: there is none, or it is deleted.
        """

    async def create_user(self, properties: _Json) -> dict[str, Any]:
        """Creates a user with Graph's properties.

        A mail nickname and a password that nobody knows are added where there are none.

        Raises:
            AlreadyExistsError: ``property`` names what is taken.
            OutcomeUnknownError: the answer was lost: look the user up before you repeat it.
        """

    async def update_user(self, id: str, properties: _Json) -> None:
        """Sets properties; ``None`` clears one."""

    async def enable_user(self, id: str) -> None:
        """Allows sign-in."""

    async def disable_user(self, id: str) -> None:
        """Blocks sign-in. Sessions go on until they are revoked."""

    async def delete_user(self, id: str) -> None:
        """Deletes a user, who can be restored for 30 days."""

    async def manager(self, id: str, *, select: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Reads a user's manager.

        Raises:
            NotFoundError: there is none.
        """

    async def set_manager(self, id: str, manager: str) -> None:
        """Links the manager, by object id."""

    async def remove_manager(self, id: str) -> None:
        """Ends the link to the manager."""

    async def reset_password(self, id: str, password: str | None = None) -> None:
        """Replaces the password; it has to be changed at the next sign-in.

        Args:
            id: the user.
            password: the new one; one that nobody knows, unless given.
        """

    async def revoke_sessions(self, id: str) -> None:
        """Ends all sessions and refresh tokens, within minutes."""

    async def create_access_pass(
        self, id: str, *, minutes: int | None = None, once: bool | None = None, start: str | None = None
    ) -> dict[str, Any]:
        """Issues a temporary access pass.

        Args:
            id: the user.
            minutes: how long it works; as the tenant's policy says, unless given.
            once: whether it works once only.
            start: from when on, in RFC 3339.

        Returns:
            The pass, once and never again: ``temporaryAccessPass`` is its text. Do not log it.
        """

    async def delete_access_pass(self, id: str, access_pass: str) -> None:
        """Withdraws a temporary access pass, by its id."""

    async def restore(self, id: str) -> dict[str, Any]:
        """Restores a deleted user or group, by object id."""

    async def purge(self, id: str) -> None:
        """Deletes what is deleted for good, by object id."""

    async def group(
        self, id: str, *, select: str | Iterable[str] | None = None, expand: str | Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Reads a group, by id.

        Raises:
            NotFoundError: there is none, or it is deleted.
        """

    async def create_group(self, properties: _Json) -> dict[str, Any]:
        """Creates a group with Graph's properties."""

    async def update_group(self, id: str, properties: _Json) -> None:
        """Sets properties of a group."""

    async def delete_group(self, id: str) -> None:
        """Deletes a group."""

    async def add_group_member(self, group: str, member: str) -> None:
        """Adds a member.

        Raises:
            AlreadyExistsError: it is one, with the reason ``already_member``.
        """

    async def add_group_members(self, group: str, members: Sequence[str]) -> None:
        """Adds up to twenty members in one request: all or none."""

    async def remove_group_member(self, group: str, member: str) -> None:
        """Removes a direct member.

        Raises:
            NotFoundError: it is none.
        """

    async def add_group_owner(self, group: str, owner: str) -> None:
        """Adds an owner."""

    async def remove_group_owner(self, group: str, owner: str) -> None:
        """Removes an owner."""

    async def check_member_groups(self, id: str, groups: Sequence[str]) -> list[str]:
        """Says in which of these groups an object is, directly or not."""

    async def assign_license(
        self, id: str, add: Sequence[str | Mapping[str, Any]] = ..., remove: Sequence[str] = ...
    ) -> dict[str, Any]:
        """Gives and takes licences in one request.

        Args:
            id: the user.
            add: SKU ids, or objects with ``skuId`` and ``disabledPlans``.
            remove: SKU ids.

        Raises:
            LicenseExhaustedError: no seat is free.
            InvalidError: the user has no usage location.
        """

    async def activate_role(self, template: str) -> dict[str, Any]:
        """Activates a directory role from its template, so that it can have members."""

    async def add_role_member(self, role: str, member: str) -> None:
        """Gives an activated directory role to somebody."""

    async def remove_role_member(self, role: str, member: str) -> None:
        """Takes an activated directory role from somebody."""

    async def assign_role(self, principal: str, role: str, scope: str = ...) -> dict[str, Any]:
        """Assigns a role definition to a principal, in the whole tenant or in a scope."""

    async def remove_role_assignment(self, id: str) -> None:
        """Removes a role assignment, by its id."""

    async def service_principal(self, id: str, *, select: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Reads the service principal of an application, by object id."""

    async def assign_app_role(self, principal: str, resource: str, role: str) -> dict[str, Any]:
        """Gives a role of an application.

        Args:
            principal: the object id of a user, a group or a service principal.
            resource: the object id of the application's service principal.
            role: the id of the role; zeros where the application has declared none.
        """

    async def remove_app_role(self, user: str, assignment: str) -> None:
        """Takes a role of an application from a user, by the assignment's id."""

    def users(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists users.

        Unless properties are selected, all that the lifecycle works with are read.
        """

    def direct_reports(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists who reports to a user."""

    def authentication_methods(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists how a user can sign in."""

    def access_passes(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists a user's temporary access passes."""

    def deleted_users(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists users that can be restored."""

    def deleted_groups(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists groups that can be restored."""

    def directory_audits(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists changes in the directory."""

    def sign_ins(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists sign-ins. Needs Entra ID P1."""

    def domains(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the tenant's domains."""

    def list(self, path: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists any collection, for example ``/applications``; a ``link`` of an earlier listing goes on there."""

    def groups(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists groups."""

    def group_members(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the direct members of a group."""

    def transitive_group_members(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the members of a group, those of its groups included."""

    def group_owners(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the owners of a group."""

    def user_memberships(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the groups, roles and units that a user is a direct member of."""

    def transitive_user_memberships(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists what a user is a member of, directly or through groups."""

    def skus(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the licences that the tenant has bought."""

    def license_details(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists a user's licences with their plans."""

    def directory_roles(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the activated directory roles."""

    def role_members(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists who has an activated directory role."""

    def role_definitions(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the role definitions of the directory."""

    def role_assignments(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists who has been assigned which role definition where."""

    def service_principals(self, **options: Unpack[_Query]) -> AsyncListing:
        """Lists the applications in the tenant."""

    def app_role_assignments(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists a user's roles of applications."""

    def app_role_holders(self, id: str, **options: Unpack[_Query]) -> AsyncListing:
        """Lists who has a role of an application, by its service principal."""

@final
class AsyncArmClient:
    """A client of Azure Resource Manager whose calls are awaited.

    The arguments that are left out come from the environment.

    Args:
        credential: a :class:`ClientSecretCredential`, or any object with azure-identity's ``get_token``, sync or
            async; the
            application of ``IAM_TENANT_ID``, ``IAM_CLIENT_ID`` and ``IAM_CLIENT_SECRET`` (or ``AZURE_…``),
                unless given.
            Tokens are kept and renewed here.
        cloud: ``public``, ``us_government`` or ``china``.
        authority: where tokens come from (``IAM_AUTHORITY``).
        graph_url: Microsoft Graph (``IAM_GRAPH_URL``).
        arm_url: Azure Resource Manager (``IAM_ARM_URL``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        credential: _Credential | None = None,
        *,
        cloud: str | None = None,
        authority: str | None = None,
        graph_url: str | None = None,
        arm_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
    ) -> Self: ...
    async def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token and retries of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash and names its ``api-version``, unless ``params`` does.
            json: the body.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    async def subscription(self, id: str) -> dict[str, Any]:
        """Reads a subscription."""

    async def resource_group(self, subscription: str, name: str) -> dict[str, Any]:
        """Reads a resource group."""

    async def create_resource_group(
        self, subscription: str, name: str, location: str, tags: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Creates a resource group, or replaces the tags of the one there is."""

    async def role_definition(self, at: str, name: str) -> dict[str, Any]:
        """Reads the role of that name at a scope.

        Raises:
            NotFoundError: there is none.
            ConflictError: there are two; use the id.
        """

    async def assign_role(self, at: str, role: str, principal: str, principal_type: str = ...) -> dict[str, Any]:
        """Assigns a role at a scope. Repeating it is harmless.

        A principal that Azure does not know yet is waited for.

        Args:
            at: the scope: ``/subscriptions/…``, a resource group's or a resource's id, or a management group.
            role: the GUID of the role definition.
            principal: the object id.
            principal_type: ``User``, ``Group``, ``ServicePrincipal``, ``ForeignGroup`` or ``Device``.

        Raises:
            NotYetReplicatedError: the principal did not appear in time.
        """

    async def remove_role_assignment(self, id: str) -> bool:
        """Removes an assignment by its full id. ``False``: it was not there."""

    def subscriptions(self) -> AsyncListing:
        """Lists the subscriptions that the credential can see."""

    def resource_groups(self, subscription: str, *, filter: str | None = None) -> AsyncListing:
        """Lists the resource groups of a subscription."""

    def role_definitions(self, at: str, *, filter: str | None = None) -> AsyncListing:
        """Lists the roles that can be assigned at a scope."""

    def role_assignments(self, at: str, *, filter: str | None = None) -> AsyncListing:
        """Lists the assignments at, above and below a scope, for example with ``principalId eq '…'``."""

    def list(self, path: str) -> AsyncListing:
        """Lists any collection; the path names its ``api-version``."""

@final
class AsyncScimClient:
    """A client of one SCIM 2.0 service provider whose calls are awaited.

    The arguments that are left out come from the environment.

    Args:
        base_url: for example ``https://app.example/scim/v2`` (``IAM_SCIM_URL``).
        token: the long-lived bearer token that the application issued (``IAM_SCIM_TOKEN``).
        credential: instead of a token: a :class:`ClientSecretCredential`, or any object with azure-identity's
            ``get_token``, sync or async.
        scope: what the credential is asked for.
        authority: where tokens come from (``IAM_AUTHORITY``).
        ca_bundle: a PEM file of certificates to trust beside the machine's (``IAM_CA_BUNDLE``).
        proxy: ``http://user:password@proxy.example:8080``; ``HTTPS_PROXY`` and ``NO_PROXY``, unless given.
        timeout: seconds for one attempt.
    """

    def __new__(
        cls,
        base_url: str | None = None,
        token: str | None = None,
        credential: _Credential | None = None,
        *,
        scope: str | None = None,
        authority: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
    ) -> Self: ...
    async def request(
        self,
        method: str,
        path: str,
        json: _Json | None = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Response:
        """Sends any request, with the token and retries of every other call.

        Args:
            method: ``GET``, ``POST``, ``PATCH``, ``PUT``, ``DELETE`` or ``HEAD``.
            path: starts with a slash, below the base URL.
            json: the body, sent as ``application/scim+json``.
            content: the body as bytes, where it is no JSON; name its type in ``headers``.
            params: query options, percent-encoded for you.
            headers: headers of your own.
            check: raise for an answer that is not 2xx; without it, every answer is given as it is.
        """

    async def user(self, id: str) -> dict[str, Any]:
        """Reads a user."""

    async def create_user(self, resource: _Json) -> dict[str, Any]:
        """Creates a user."""

    async def replace_user(self, id: str, resource: _Json) -> dict[str, Any]:
        """Replaces a user: what is not in it is cleared."""

    async def patch_user(self, id: str, operations: _Json) -> dict[str, Any] | None:
        """Changes a user, by operations as RFC 7644 writes them, or by all of the message.

        Returns:
            The user as it is then, where the server sent it.
        """

    async def delete_user(self, id: str) -> None:
        """Deletes a user, for good."""

    async def group(self, id: str) -> dict[str, Any]:
        """Reads a group."""

    async def create_group(self, resource: _Json) -> dict[str, Any]:
        """Creates a group."""

    async def replace_group(self, id: str, resource: _Json) -> dict[str, Any]:
        """Replaces a group: what is not in it is cleared."""

    async def patch_group(self, id: str, operations: _Json) -> dict[str, Any] | None:
        """Changes a group, by operations as RFC 7644 writes them, or by all of the message.

        Returns:
            The group as it is then, where the server sent it.
        """

    async def delete_group(self, id: str) -> None:
        """Deletes a group, for good."""

    async def add_member(self, group: str, user: str) -> None:
        """Makes a user a member of a group."""

    async def remove_member(self, group: str, user: str) -> None:
        """Ends a membership."""

    async def service_provider_config(self) -> dict[str, Any]:
        """Reads what the server is able to do."""

    def users(
        self,
        *,
        filter: str | None = None,
        attributes: str | None = None,
        excluded: str | None = None,
        count: int | None = None,
    ) -> AsyncListing:
        """Lists users, for example with ``userName eq "ada"``; ``count`` is the size of a page."""

    def groups(
        self,
        *,
        filter: str | None = None,
        attributes: str | None = None,
        excluded: str | None = None,
        count: int | None = None,
    ) -> AsyncListing:
        """Lists groups; ``count`` is the size of a page."""

    def resource_types(self) -> AsyncListing:
        """Lists the sorts of resources that the server has."""

    def schemas(self) -> AsyncListing:
        """Lists the schemas that the server knows."""

    def list(self, path: str) -> AsyncListing:
        """Lists any collection."""

@final
class Sandbox:
    """A stateful Entra tenant on the loopback: identity platform, Graph, ARM and a SCIM application.

    A context manager, sync and async; it runs until it is closed.

    Args:
        seed: ids and their order depend on this number alone.
        people: that many generated employees besides the known ones.
        tls: serve https with a certificate of its own throw-away authority: see ``ca_bundle``.
        port: a free one, unless given.
        empty: nobody is employed yet.
        throttling: enforce Graph's documented limits.
        seats: how many seats of a SKU the tenant has, by part number.
        record: a file to write every request and answer to, one JSON object a line.
    """

    def __new__(
        cls,
        *,
        seed: int = 1,
        people: int = 0,
        tls: bool = False,
        port: int = 0,
        empty: bool = False,
        throttling: bool = False,
        seats: Mapping[str, int] | None = None,
        record: str | PathLike[str] | None = None,
    ) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_raised: object) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_raised: object) -> None: ...
    def close(self) -> None:
        """Stops it. Its ``env`` stays readable."""

    @property
    def env(self) -> dict[str, str]:
        """The variables that point clients at it: ``SANDBOX_…`` and the matching ``IAM_…``."""

    def env_file(self) -> str:
        """The same as the lines of a file."""

    @property
    def authority(self) -> str:
        """The identity platform."""

    @property
    def graph_url(self) -> str:
        """Microsoft Graph, with its version."""

    @property
    def arm_url(self) -> str:
        """Azure Resource Manager."""

    @property
    def scim_url(self) -> str:
        """The SCIM application."""

    @property
    def scim_token(self) -> str:
        """What the SCIM application takes as its token."""

    @property
    def tenant_id(self) -> str:
        """The tenant."""

    @property
    def client_id(self) -> str:
        """The application that may sign in."""

    @property
    def client_secret(self) -> str:
        """Its secret, new at each start."""

    @property
    def domain(self) -> str:
        """The default domain."""

    @property
    def subscription_id(self) -> str:
        """The one Azure subscription."""

    @property
    def ca_bundle(self) -> str | None:
        """The certificate of its authority, a PEM file, where it serves https."""

    @property
    def requests(self) -> int:
        """How many requests came since the start or the last reset."""

    @property
    def now(self) -> datetime:
        """Its clock."""

    def graph(self) -> GraphClient:
        """A client of it, without a rate budget."""

    def async_graph(self) -> AsyncGraphClient:
        """A client of it, without a rate budget."""

    def arm(self) -> ArmClient:
        """A client of it, without a rate budget."""

    def async_arm(self) -> AsyncArmClient:
        """A client of it, without a rate budget."""

    def scim(self) -> ScimClient:
        """A client of it, without a rate budget."""

    def async_scim(self) -> AsyncScimClient:
        """A client of it, without a rate budget."""

    def fault(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str = "**",
        nth: int = 1,
        times: int | None = None,
        probability: float = 1.0,
        status: int | None = None,
        retry_after: float | Mapping[str, int] | None = None,
        millis: int | None = None,
    ) -> None:
        """Makes requests fail. The first rule that matches a request decides.

        Args:
            kind: ``throttle`` (429), ``status`` (with ``status``), ``cut_before`` or ``cut_after`` it took
                effect, ``slow`` (by ``millis``), ``lag`` (younger objects than ``millis`` are not seen),
                ``revoke_tokens``.
            method: only requests with this method.
            path: only these paths: ``*`` is one segment or a part of it, ``**`` any number of them.
            nth: from the nth matching request on.
            times: so many requests; all of them, unless given.
            probability: the share of requests that are hit, drawn from the seed.
            status: the status to answer.
            retry_after: seconds, whole or not, or ``{"date": seconds}`` for the form of a date.
            millis: milliseconds.
        """

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, with what they have hit (``fired``)."""

    def clear_faults(self) -> None:
        """Removes every rule."""

    def reset(self) -> None:
        """Back to the start: directory, clock, faults and log. Tokens and the client secret stay good."""

    def advance(self, seconds: float) -> None:
        """Moves its clock forward."""

    def stop_clock(self, stopped: bool = True) -> None:
        """Stops its clock, so that only ``advance`` moves it, or lets it run again."""

    def log(self) -> list[dict[str, Any]]:
        """The requests so far, oldest first: ``method``, ``path``, ``query``, ``status``, ``requestId`` and so on."""

    def state(self) -> dict[str, Any]:
        """The whole tenant: ``users``, ``groups``, ``deleted``, ``roleAssignments``, ``subscribedSkus`` and so on."""

    def user(self, key: str) -> dict[str, Any] | None:
        """One live user by id, user principal name or employee id, as in ``state``."""

    def act(self, method: str, path: str, body: _Json | None = None) -> Any:
        """Acts as an administrator would, without network, token, faults and log: for arranging a test.

        Raises:
            InvalidError: it was refused; the message says how.
        """

    def token(self, *, user: str | None = None, audience: str | None = None, roles: Sequence[str] | None = None) -> str:
        """Mints an access token, to test an API with.

        Args:
            user: whose, by id or user principal name; the application's own, unless given.
            audience: for whom; Graph, unless given.
            roles: with which app roles; the application's own, unless given.
        """

    def set_token_lifetime(self, seconds: int) -> None:
        """How long new tokens live."""

    def revoke_tokens(self) -> None:
        """Makes every token issued so far invalid."""

class _Event(Protocol):
    """An event of ``threading`` or ``asyncio``."""

    def is_set(self) -> bool:
        """Whether it is set."""

_Path: TypeAlias = str | PathLike[str]
_Input: TypeAlias = _Path | bytes | bytearray | Any
_Record: TypeAlias = Record | PersonState | _Json
_Records: TypeAlias = _Record | Iterable[_Record]
_What: TypeAlias = str | Entitlement | Mapping[str, Any]
"""What somebody may hold: ``"group:All Staff"``, ``"license:SPE_E3"``, ``"role:id:…"``, ``"azure:Reader @ /…"``,
``"app:ticketing/agent"``, or a mapping with ``kind``, ``name`` and perhaps ``target``."""

@final
class Clock:
    """A clock that runs from a given instant on, and can be put forward: for tests and simulations.

    Args:
        at: the instant to start from, now if left out.
    """

    def __new__(cls, at: datetime | str | None = None) -> Self: ...
    def now(self) -> datetime:
        """The instant that it shows."""

    def advance(self, seconds: float) -> None:
        """Puts it forward."""

@final
class Record:
    """One good row."""

    @property
    def row(self) -> int:
        """Where it stood: the line of a table, the index (from 1) of an array."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def record(self) -> dict[str, Any]:
        """What it says: personal data."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars."""

@final
class Rows(Iterator[Record | Reject | HrNotice]):
    """What is read, row by row; memory does not grow with the input."""

    @property
    def summary(self) -> dict[str, Any] | None:
        """``rows``, ``records``, ``rejects`` and ``fields``, once the end is reached."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Record | Reject | HrNotice: ...

@final
class Intake:
    """A reader of one format of HR's files.

    Args:
        kind: ``"flat"`` (told by content), ``"csv"``, ``"json"``, ``"workday_xml"``, ``"workday_events"``,
            ``"raas_json"``, ``"raas_csv"``, ``"scim"`` or ``"bulk_upload"``.
        ignore: columns or fields to leave out.
        ignore_unknown: leave out whatever is not known.

    Raises:
        InvalidError: there is no such kind.
    """

    def __new__(cls, kind: str = "flat", *, ignore: Sequence[str] = ..., ignore_unknown: bool = False) -> Self: ...
    @property
    def kind(self) -> str:
        """Which format."""

    def read(self, input: _Input) -> Rows:
        """Reads bytes, a path or a file that was opened in binary mode, on a thread of its own.

        Raises:
            InvalidError: the file cannot be opened. What makes all of it unusable (no key column, broken JSON) is
                raised while the rows are read; rows that came before stand.
        """

@final
class Policy:
    """Who gets what: one TOML document, read and checked. Immutable."""

    @staticmethod
    def load(path: _Path) -> Policy:
        """Reads a policy from a file.

        Raises:
            InvalidError: one line per problem, each with line and column.
        """

    @staticmethod
    def parse(text: str) -> Policy:
        """Reads a policy.

        Raises:
            InvalidError: one line per problem, each with line and column.
        """

    @staticmethod
    def import_config(config: _Path) -> Imported:
        """Makes a policy of the samples' ``config.json``: its path, or its text.

        Raises:
            InvalidError: it is not JSON, or a part of it is not what it should be.
        """

    @staticmethod
    def import_workflow(export: _Path, domain: str) -> Imported:
        """Makes a policy of exported Lifecycle Workflows: the path of the export, or its text.

        Args:
            export: the answer of ``GET /identityGovernance/lifecycleWorkflows/workflows`` with ``$expand=tasks``, a
                list of workflows, or one.
            domain: the domain of new sign-in names.

        Raises:
            InvalidError: it is not JSON, or holds no workflow.
        """

    @property
    def text(self) -> str:
        """The document as it was read."""

    @property
    def document(self) -> dict[str, Any]:
        """The document as plain values; instants and days as text."""

    @property
    def protected(self) -> dict[str, list[str]]:
        """The sign-in ``names``, account ``ids`` and ``roles`` that protect an account, in lower case."""

    @property
    def domain(self) -> str:
        """The domain of new sign-in names."""

    @property
    def fingerprint(self) -> str:
        """A hash of the document."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules, in the order of the document."""

    @property
    def apps(self) -> tuple[str, ...]:
        """The SCIM applications that it names."""

    @property
    def azure_scopes(self) -> tuple[str, ...]:
        """The Azure scopes that it names."""

    def check(self, engine: Engine | AsyncEngine) -> Any:
        """Compares what it names with what an engine's targets have.

        Returns:
            A tuple of ``Finding``, empty where all is well; with an ``AsyncEngine`` an awaitable of one.
        """

    def test(self) -> TestReport:
        """Runs its own cases (``[[test]]``).

        They run without the GIL: in an event loop, ``asyncio.to_thread`` keeps the loop going.
        """

    @overload
    def coverage(self, people: AsyncEngine, *, today: date | str | None = None) -> Awaitable[Coverage]:
        """How it fits an engine's people; no event loop is held up."""

    @overload
    def coverage(self, people: Engine | _Records, *, today: date | str | None = None) -> Coverage:
        """How it fits these people: an engine's (whose journal is waited for), or records.

        It is computed without the GIL: in an event loop, ``asyncio.to_thread`` keeps the loop going.
        """

    @overload
    def diff(self, newer: Policy | _Path, people: AsyncEngine, *, today: date | str | None = None) -> Awaitable[Impact]:
        """What replacing it by a newer one would change for an engine's people; no event loop is held up."""

    @overload
    def diff(self, newer: Policy | _Path, people: Engine | _Records, *, today: date | str | None = None) -> Impact:
        """What replacing it by a newer one would change for these people: an engine's, or records.

        It is computed without the GIL: in an event loop, ``asyncio.to_thread`` keeps the loop going.
        """

    def desired(self, person: _Record, *, manager: _Record | None = None, today: date | str | None = None) -> Desired:
        """What one person should have while at work.

        Raises:
            InvalidError: the record is refused, or a rule cannot be evaluated for it.
        """

    def explain(
        self, person: _Record, what: _What, *, manager: _Record | None = None, today: date | str | None = None
    ) -> Explanation:
        """Why one person is, or is not, entitled to one thing, and what is missing."""

@final
class Entitlement:
    """One thing that a target can give to an account."""

    @property
    def target(self) -> str:
        """The target, for example ``"graph"``."""

    @property
    def kind(self) -> str:
        """``"group"``, ``"license"``, ``"role"``, ``"azure"``, ``"app"`` or ``"package"``."""

    @property
    def id(self) -> str:
        """The target's own id."""

    @property
    def name(self) -> str:
        """The name that people know it by."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Step:
    """One change at one target."""

    @property
    def id(self) -> str:
        """Names the step within its event: the same change has the same id."""

    @property
    def target(self) -> str:
        """The target, for example ``"graph"``."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def account(self) -> str | None:
        """The account's id; ``None`` before it is created."""

    @property
    def kind(self) -> str:
        """The kind of change, for example ``"create_account"``, ``"grant"``, ``"block_sign_in"``."""

    @property
    def entitlement(self) -> Entitlement | None:
        """What is given or taken, where that is what it does."""

    @property
    def why(self) -> str:
        """Why, in the words of the plan: ``rule security``, ``last day was 2026-11-24``."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Of a grant, the rules that ask for it."""

    @property
    def risk(self) -> str:
        """``"low"``, ``"elevated"`` or ``"high"``."""

    @property
    def privileged(self) -> bool:
        """Whether it carries or takes administrative power."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of steps without which it is not carried out."""

    @property
    def details(self) -> dict[str, Any]:
        """The change with its values: personal data."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Plan:
    """What is to be done for one person, in order."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know: things that cannot be done, and why."""

    @property
    def refused(self) -> str | None:
        """Why the account must not be touched, if so: there are no steps then."""

    @property
    def policy(self) -> str:
        """The version of the policy; empty where it has none."""

    @property
    def hash(self) -> str:
        """A hash over the steps."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class PersonPlan:
    """What would happen to one person."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def record(self) -> dict[str, Any] | None:
        """The record of HR: personal data."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def kind(self) -> str:
        """The kind of event: ``"join"``, ``"move"``, ``"leave"`` and others."""

    @property
    def plan(self) -> Plan:
        """What is planned."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the plan."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know: things that cannot be done, and why."""

    @property
    def refused(self) -> str | None:
        """Why the account must not be touched, if so."""

    @property
    def hold(self) -> str | None:
        """Why nothing may be done before somebody has looked, if so."""

    @property
    def waiting(self) -> tuple[str, ...]:
        """What policy asks for and cannot be given for now, and why."""

    @property
    def next(self) -> str | None:
        """What the person waits for."""

    @property
    def next_at(self) -> datetime | None:
        """Until when."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class SeatNeed:
    """How far the seats of a licence go, over the whole plan."""

    @property
    def license(self) -> Entitlement:
        """The licence."""

    @property
    def total(self) -> int:
        """Bought and usable."""

    @property
    def used(self) -> int:
        """Taken before the plan."""

    @property
    def freed(self) -> int:
        """Freed by leavers of the plan."""

    @property
    def needed(self) -> int:
        """Needed by the plan."""

    @property
    def waiting(self) -> int:
        """Those of them for which there is no seat."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Preview:
    """Everything that would happen now; nothing of it has happened."""

    @property
    def people(self) -> tuple[PersonPlan, ...]:
        """In the order of the work: leavers first. A person may stand here twice."""

    @property
    def guard(self) -> tuple[str, ...]:
        """Limits of the guard that the whole exceeds: ``run`` would refuse."""

    @property
    def seats(self) -> tuple[SeatNeed, ...]:
        """The licences that the whole asks for or frees."""

    @property
    def findings(self) -> tuple[str, ...]:
        """What the policy names and the tenant has not got, with line and column."""

    @property
    def hash(self) -> str:
        """What ``apply`` asks for: a hash over everybody's steps."""

    @property
    def steps(self) -> int:
        """How many steps there are in all."""

    @property
    def risk(self) -> str | None:
        """The risk of the riskiest step; ``None`` without steps."""

    @property
    def by_risk(self) -> dict[str, int]:
        """How many steps there are of each risk."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class UndoPlan:
    """What undoing an event would do."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The inverse steps, the last change first."""

    @property
    def without_inverse(self) -> tuple[tuple[str, str], ...]:
        """Steps that nothing undoes, and why."""

    @property
    def gone(self) -> tuple[tuple[str, str], ...]:
        """Steps of which nothing is left to undo, and why."""

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """Inverse steps that must not be carried out, and why."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Moment:
    """What happens at one instant to come."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def people(self) -> tuple[PersonPlan, ...]:
        """To whom, and what."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Known:
    """What was known of one person at an instant that is over."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def event(self) -> str:
        """The event that was accepted last by then."""

    @property
    def entered_at(self) -> datetime:
        """When it was entered, or the platform learnt of it."""

    @property
    def record(self) -> dict[str, Any]:
        """That record: personal data."""

    @property
    def phase(self) -> str | None:
        """Where the person stood: ``"pending"``, ``"active"``, ``"gone"`` and others; ``None`` where nobody can tell."""

    @property
    def grants(self) -> tuple[Grant, ...] | None:
        """What the policy in force today says of it."""

    @property
    def unclear(self) -> str | None:
        """Why nobody can tell, if so."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class AsOf:
    """The plan as of an instant."""

    @property
    def is_past(self) -> bool:
        """Whether the instant is over."""

    @property
    def moments(self) -> tuple[Moment, ...]:
        """For an instant to come: what happens until then, in the order of time."""

    @property
    def known(self) -> tuple[Known, ...]:
        """For one that is over: what was known of everybody."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Accepted:
    """What became of records and events that were handed over."""

    @property
    def events(self) -> int:
        """What said something new: durable events now."""

    @property
    def unchanged(self) -> int:
        """What had been said before, just so."""

    @property
    def quarantined(self) -> int:
        """Events whose id was known with other content: ``Engine.quarantined``."""

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """What was refused; nothing else waits for it."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Reject:
    """One row that was refused. ``str()`` is a line without personal data."""

    @property
    def row(self) -> int:
        """Where it stands: the line of a table, the index (from 1) of an array."""

    @property
    def person(self) -> str | None:
        """The worker id, if the row has one."""

    @property
    def field(self) -> str:
        """The field at fault, as the source names it; empty for the whole row."""

    @property
    def code(self) -> str:
        """A stable code, for example ``"impossible_date"``."""

    @property
    def message(self) -> str:
        """What was expected."""

    @property
    def twin(self) -> int | None:
        """An earlier row that does not count either."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Reading:
    """What became of a file."""

    @property
    def delivery(self) -> int | None:
        """Its number, where it was delivered as a source: for ``release_delivery`` and ``discard_delivery``."""

    @property
    def rows(self) -> int:
        """Rows, good ones and refused ones."""

    @property
    def records(self) -> int:
        """Good rows."""

    @property
    def events(self) -> int:
        """What said something new: durable events now."""

    @property
    def unchanged(self) -> int:
        """What had been said before, just so."""

    @property
    def quarantined(self) -> int:
        """Events whose id was known with other content: ``Engine.quarantined``."""

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """The rows that were refused."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why it is held, clause by clause."""

    @property
    def is_held(self) -> bool:
        """Whether nothing of it counts before somebody has decided."""

    @property
    def fields(self) -> dict[str, int]:
        """In how many rows each field had a value."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class StepRun:
    """One step that was tried, and how it ended."""

    @property
    def step(self) -> Step:
        """The step."""

    @property
    def outcome(self) -> str:
        """``"done"``, ``"already_so"``, ``"not_applicable"``, ``"failed"`` or ``"unknown"``."""

    @property
    def account(self) -> str | None:
        """The account's id, where the step brought it."""

    @property
    def kind(self) -> str | None:
        """The kind of a failure, as ``IamError.kind``."""

    @property
    def why(self) -> str | None:
        """Why, without personal data."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class PersonRun:
    """What one event led to."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def steps(self) -> tuple[StepRun, ...]:
        """The steps that were tried."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know: things that cannot be done, and why."""

    @property
    def ending(self) -> str:
        """``"done"``, ``"waiting"``, ``"retry"``, ``"dead"``, ``"held"``, ``"refused"``, ``"left_alone"`` or ``"asked"``."""

    @property
    def why(self) -> str | None:
        """Why it did not simply end, without personal data."""

    @property
    def retry_at(self) -> datetime | None:
        """When it is tried again."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Totals:
    """Steps by how they ended."""

    @property
    def people(self) -> int:
        """People worked on."""

    @property
    def done(self) -> int:
        """Steps carried out now."""

    @property
    def already_so(self) -> int:
        """Steps that were so already."""

    @property
    def not_applicable(self) -> int:
        """Steps that had nothing to be done to."""

    @property
    def failed(self) -> int:
        """Steps that failed."""

    @property
    def unknown(self) -> int:
        """Steps of which nobody knows, and which must not be repeated: ``Engine.resolve``."""

    @property
    def open(self) -> int:
        """Events that wait, are tried again, held, refused or set aside."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class RunReport:
    """What a run did."""

    @property
    def people(self) -> tuple[PersonRun, ...]:
        """Event by event."""

    @property
    def findings(self) -> tuple[str, ...]:
        """What the policy names and the tenant has not got, with line and column."""

    @property
    def totals(self) -> Totals:
        """The sums."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class FleetReport:
    """What workers did until they were stopped."""

    @property
    def worker(self) -> str:
        """The name under which they claimed."""

    @property
    def done(self) -> int:
        """Events that ended as planned."""

    @property
    def waiting(self) -> int:
        """Events that ended but for something that is not available yet."""

    @property
    def retried(self) -> int:
        """Attempts that are made again later."""

    @property
    def set_aside(self) -> int:
        """Events that were set aside: refused, held, or about a protected account."""

    @property
    def asked(self) -> int:
        """Plans that count against a limit of the guard, and were asked for."""

    @property
    def left_alone(self) -> int:
        """Events that this process does not know how to go on with."""

    @property
    def passed_on(self) -> int:
        """Lanes that somebody else took over."""

    @property
    def given_back(self) -> int:
        """Lanes that went back unfinished."""

    @property
    def steps(self) -> Totals:
        """Steps by how they ended."""

    @property
    def troubles(self) -> int:
        """How often the journal or a service failed the workers as a whole."""

    @property
    def last_trouble(self) -> str | None:
        """The last of these failures."""

    @property
    def findings(self) -> tuple[str, ...]:
        """What the policy names and the tenant has not got, with line and column."""

    @property
    def frozen(self) -> str | None:
        """What the guard refused last, and somebody has to release."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Progress:
    """What a run tells while it goes on."""

    @property
    def kind(self) -> str:
        """``"step"``, ``"person"``, ``"finding"`` or ``"trouble"``."""

    @property
    def step(self) -> StepRun | None:
        """A step that has come to an end."""

    @property
    def person(self) -> PersonRun | None:
        """An event that has come to an end, or waits."""

    @property
    def message(self) -> str | None:
        """A finding, or a trouble that is nobody's."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Account:
    """An account that the platform created or adopted."""

    @property
    def id(self) -> str:
        """The target's immutable id."""

    @property
    def name(self) -> str:
        """The sign-in name when it was last seen."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class LedgerEntry:
    """Something that the platform granted."""

    @property
    def entitlement(self) -> Entitlement:
        """What."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that ask for it."""

    @property
    def event(self) -> str:
        """The event that brought it."""

    @property
    def since(self) -> datetime:
        """Since when."""

    @property
    def grace_days(self) -> int:
        """Days that it is kept once no rule asks for it any more."""

    @property
    def losing_since(self) -> datetime | None:
        """Since when no rule has asked for it; ``None`` while one does."""

    @property
    def ends_at(self) -> datetime | None:
        """When its grace ends, if that is running."""

    @property
    def policy(self) -> str:
        """The version of the policy that asked for it."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class PersonState:
    """What is known of one person."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def record(self) -> dict[str, Any] | None:
        """The record of HR: personal data."""

    @property
    def lifecycle(self) -> str:
        """``"pending"``, ``"staged"``, ``"active"``, ``"suspended"``, ``"leaving"``, ``"disabled"`` or ``"deleted"``."""

    @property
    def accounts(self) -> dict[str, Account]:
        """By target."""

    @property
    def name(self) -> str | None:
        """The sign-in name that is reserved for a new account."""

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """What the platform granted."""

    @property
    def left_at(self) -> datetime | None:
        """When access was taken away."""

    @property
    def waits_for(self) -> str | None:
        """The manager whose account does not exist yet."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class StepRecord:
    """One step of an event, as the journal knows it."""

    @property
    def step(self) -> str:
        """The id of the step."""

    @property
    def key(self) -> str:
        """Its idempotency key."""

    @property
    def outcome(self) -> str | None:
        """``"done"``, ``"already_so"``, ``"not_applicable"``, ``"failed"`` or ``"unknown"``; ``None`` where nobody knows yet."""

    @property
    def why(self) -> str | None:
        """Why, without personal data."""

    @property
    def at(self) -> datetime | None:
        """When it ended."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class TimelineEntry:
    """One event with its whole story."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def kind(self) -> str:
        """The kind of event: ``"join"``, ``"move"``, ``"leave"`` and others."""

    @property
    def details(self) -> dict[str, Any]:
        """What the kind says besides: ``last_day``, ``of``, ``by`` and others."""

    @property
    def due_at(self) -> datetime:
        """From when on it may be worked on."""

    @property
    def entered_at(self) -> datetime:
        """When it was entered, or the platform learnt of it."""

    @property
    def record(self) -> dict[str, Any] | None:
        """The record of HR: personal data."""

    @property
    def state(self) -> str:
        """``"pending"``, ``"done"``, ``"dead"`` or ``"superseded"``."""

    @property
    def attempts(self) -> int:
        """Attempts so far."""

    @property
    def not_before(self) -> datetime:
        """Not to be worked on before this instant."""

    @property
    def parked(self) -> bool:
        """Whether later events wait for it: ``Engine.requeue``, ``Engine.skip``."""

    @property
    def why(self) -> str | None:
        """What the last attempt ended with."""

    @property
    def plan(self) -> Plan | None:
        """The plan of the last attempt."""

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The steps that were begun."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Waiting:
    """Why nothing happens for somebody."""

    @property
    def state(self) -> str:
        """``"nothing"``, ``"until"``, ``"ready"``, ``"retrying"``, ``"asked"``, ``"parked"`` or ``"claimed"``."""

    @property
    def event(self) -> str | None:
        """The id of the event."""

    @property
    def at(self) -> datetime | None:
        """When it goes on."""

    @property
    def since(self) -> datetime | None:
        """Since when."""

    @property
    def attempts(self) -> int | None:
        """Attempts so far."""

    @property
    def why(self) -> str | None:
        """What the last attempt ended with."""

    @property
    def by(self) -> str | None:
        """The worker that holds it."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Stalled:
    """Work that nobody takes."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def since(self) -> datetime:
        """Since when."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Frozen:
    """A plan that the guard has refused."""

    @property
    def hash(self) -> str:
        """The hash."""

    @property
    def trips(self) -> tuple[str, ...]:
        """The limits that it exceeds."""

    @property
    def people(self) -> int:
        """How many people it is about."""

    @property
    def steps(self) -> int:
        """How many steps it has."""

    @property
    def planned_by(self) -> str:
        """Who planned it."""

    @property
    def planned_at(self) -> datetime:
        """When."""

    @property
    def state(self) -> str:
        """``"frozen"``, ``"released"``, ``"applied"`` or ``"superseded"``."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided or applied."""

    @property
    def released_by(self) -> str | None:
        """Who released it."""

    @property
    def released_at(self) -> datetime | None:
        """When."""

    @property
    def reason(self) -> str | None:
        """Why it was released."""

    @property
    def ended_at(self) -> datetime | None:
        """When it was applied or superseded."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Ask:
    """A plan that counts against a limit of the guard, and waits for an answer."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def leave(self) -> bool:
        """Whether the event is a leave."""

    @property
    def urgent(self) -> bool:
        """Whether it is an urgent one."""

    @property
    def organisation(self) -> str | None:
        """The organisation that the limits count the person in."""

    @property
    def plan(self) -> Plan:
        """What is planned."""

    @property
    def asked_at(self) -> datetime:
        """When it was asked."""

    @property
    def version(self) -> int:
        """Counts the questions about the event."""

    @property
    def standing(self) -> str:
        """``"asked"``, ``"granted"`` or ``"refused"``."""

    @property
    def why(self) -> str | None:
        """Why it was refused."""

    @property
    def answered_at(self) -> datetime | None:
        """When that was decided."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Quarantined:
    """An event whose id was known with other content. It is never applied."""

    @property
    def event(self) -> str:
        """The id of the event."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def kind(self) -> str:
        """The kind in one word."""

    @property
    def at(self) -> datetime:
        """When it came."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Letter:
    """A message that could not be understood."""

    @property
    def id(self) -> int:
        """The id."""

    @property
    def source(self) -> str:
        """The name of the source."""

    @property
    def message_id(self) -> str:
        """The sender's id."""

    @property
    def kind(self) -> str:
        """What it is, for example ``"iam-platform.hr.event"``."""

    @property
    def time(self) -> datetime | None:
        """When it happened, by the sender's clock."""

    @property
    def content_type(self) -> str | None:
        """The media type of the content."""

    @property
    def data(self) -> bytes:
        """The content: personal data."""

    @property
    def person(self) -> str | None:
        """Whom it is about, as far as that could be told."""

    @property
    def reason(self) -> str:
        """What is wrong with it."""

    @property
    def received_at(self) -> datetime:
        """When it came."""

    @property
    def state(self) -> str:
        """``"open"``, ``"accepted"`` or ``"discarded"``."""

    @property
    def decision(self) -> str | None:
        """Who decided about it, and why."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Taken:
    """What became of a message."""

    @property
    def events(self) -> int:
        """What said something new: durable events now."""

    @property
    def unchanged(self) -> int:
        """What had been said before, just so."""

    @property
    def quarantined(self) -> int:
        """Events whose id was known with other content: ``Engine.quarantined``."""

    @property
    def dead_letter(self) -> int | None:
        """Where what could not be understood of it is kept."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Staged:
    """A delivery with what is known of it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def source(self) -> str:
        """The name of the source."""

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""

    @property
    def state(self) -> str:
        """``"open"``, ``"held"``, ``"releasing"``, ``"released"`` or ``"discarded"``."""

    @property
    def rows(self) -> int:
        """Rows that are staged."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why it is held."""

    @property
    def decision(self) -> str | None:
        """Who decided about it, and why."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class AuditEntry:
    """One link of the audit. Holds no personal data but an actor's name."""

    @property
    def sequence(self) -> int:
        """Its place, from 1, without gaps."""

    @property
    def at(self) -> datetime:
        """When it was written."""

    @property
    def deed(self) -> str:
        """What it tells of: ``"accepted"``, ``"settled"``, ``"released"`` and others."""

    @property
    def detail(self) -> str:
        """More of it, in a word or two."""

    @property
    def event(self) -> str | None:
        """The event that it belongs to."""

    @property
    def subject(self) -> str:
        """Whose: a pseudonym."""

    @property
    def actor(self) -> str | None:
        """Who did it, where a person did."""

    @property
    def digest(self) -> str:
        """A keyed hash of what it tells of."""

    @property
    def previous(self) -> str:
        """The hash of the entry before."""

    @property
    def hash(self) -> str:
        """The hash of this one."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class HealthFinding:
    """One thing that was looked at of the journal itself."""

    @property
    def about(self) -> str:
        """What: ``"durability"``, ``"integrity"``, ``"space"``, ``"audit"`` and others."""

    @property
    def health(self) -> str:
        """``"good"``, ``"doubtful"`` or ``"bad"``."""

    @property
    def message(self) -> str:
        """What was found and, unless it is good, what to do."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class AuditCheck:
    """Whether the audit is whole."""

    @property
    def is_whole(self) -> bool:
        """Whether no entry was changed, put in, taken out or cut off."""

    @property
    def checkpoint(self) -> str | None:
        """The end of the chain, ``<sequence>:<hash>``: keep it where nobody reaches it who reaches the journal."""

    @property
    def breach(self) -> str | None:
        """The first thing that is wrong."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Why:
    """Why somebody holds something."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def what(self) -> str:
        """What was asked about."""

    @property
    def is_held(self) -> bool:
        """Whether it is held now, as far as can be seen."""

    @property
    def entitlement(self) -> Entitlement | None:
        """What that is in the tenant; ``None`` where nothing goes by that name."""

    @property
    def held(self) -> tuple[str, ...]:
        """Every way in which it is held now."""

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read and may hide it."""

    @property
    def granted(self) -> LedgerEntry | None:
        """What the ledger remembers."""

    @property
    def event(self) -> str | None:
        """The event that brought it."""

    @property
    def event_kind(self) -> str | None:
        """Its kind."""

    @property
    def until(self) -> datetime | None:
        """When it ends, if that is known."""

    @property
    def because(self) -> str | None:
        """What ends it then."""

    @property
    def removed_by(self) -> tuple[str, ...]:
        """What would take it away."""

    @property
    def policy(self) -> dict[str, Any]:
        """What the policy in force says of it today."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Obstacle:
    """Something that keeps somebody from holding something."""

    @property
    def kind(self) -> str:
        """``"tenant"``, ``"not_started"``, ``"left"``, ``"no_rule"``, ``"held"``, ``"protected"``, ``"no_seat"``, ``"guard"``, ``"planned"`` and others."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    @property
    def details(self) -> dict[str, Any]:
        """Everything else, as plain values."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class WhyNot:
    """Why somebody does not hold something."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def what(self) -> str:
        """What was asked about."""

    @property
    def is_held(self) -> bool:
        """Whether it is held all the same."""

    @property
    def entitlement(self) -> Entitlement | None:
        """What that is in the tenant."""

    @property
    def held(self) -> tuple[str, ...]:
        """Every way in which it is held."""

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What stands in the way, the weightiest first."""

    @property
    def policy(self) -> dict[str, Any]:
        """What the policy in force says of it today."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Holding:
    """One time for which somebody held something."""

    @property
    def entitlement(self) -> Entitlement:
        """What."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that asked for it; none where somebody else gave it."""

    @property
    def given_at(self) -> datetime | None:
        """When the platform gave it."""

    @property
    def removed_at(self) -> datetime | None:
        """When the platform took it."""

    @property
    def removed_by(self) -> str | None:
        """The event for which it was taken."""

    @property
    def held_now(self) -> bool | None:
        """Whether it is held now; ``None`` where that cannot be read."""

    @property
    def on_last_day(self) -> bool | None:
        """Whether it was held on the last day."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Evidence:
    """Everything that the platform knows of one person's access."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def made_at(self) -> datetime:
        """When it was put together."""

    @property
    def policy(self) -> str:
        """The fingerprint of the policy in force."""

    @property
    def lifecycle(self) -> str:
        """``"pending"``, ``"staged"``, ``"active"``, ``"suspended"``, ``"leaving"``, ``"disabled"`` or ``"deleted"``."""

    @property
    def first_day(self) -> date | None:
        """The first day, as HR says."""

    @property
    def last_day(self) -> date | None:
        """The last day, as HR says."""

    @property
    def left_at(self) -> datetime | None:
        """When access was taken away."""

    @property
    def accounts(self) -> dict[str, str]:
        """The ids of the accounts, by target."""

    @property
    def held(self) -> tuple[Holding, ...]:
        """What was held, in the order in which it was first given or taken."""

    @property
    def details(self) -> dict[str, Any]:
        """The whole, with every event and step."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Drift:
    """One thing that is not as the platform left it."""

    @property
    def target(self) -> str:
        """The target, for example ``"graph"``."""

    @property
    def kind(self) -> str:
        """``"missing"``, ``"foreign"``, ``"unknown"``, ``"attribute"``, ``"manager"``, ``"sign_in"`` or ``"account"``."""

    @property
    def entitlement(self) -> Entitlement | None:
        """The thing that differs, where it is something held."""

    @property
    def details(self) -> dict[str, Any]:
        """Everything else, as plain values."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class PersonDrift:
    """Where one person's accounts are not as the platform left them."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def found(self) -> tuple[Drift, ...]:
        """What differs."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be compared, and why."""

    @property
    def pending(self) -> bool:
        """HR has said something that has not been worked on yet."""

    @property
    def is_clean(self) -> bool:
        """Whether everything was compared and nothing differs."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class DriftReport:
    """Where accounts are not as the platform left them."""

    @property
    def looked_at(self) -> int:
        """How many people were looked at."""

    @property
    def differ(self) -> int:
        """For how many of them something differs."""

    @property
    def unknown(self) -> int:
        """For how many something could not be compared."""

    @property
    def people(self) -> tuple[PersonDrift, ...]:
        """Those people; empty where a callable was told of them."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Grant:
    """An entitlement that policy asks for."""

    @property
    def kind(self) -> str:
        """The kind in one word."""

    @property
    def name(self) -> str:
        """As the policy writes it."""

    @property
    def target(self) -> str | None:
        """The target that offers it, where the policy names one."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that ask for it."""

    @property
    def grace_days(self) -> int:
        """Days that it is kept once no rule asks for it any more."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Desired:
    """What policy says one person should have."""

    @property
    def attributes(self) -> dict[str, str]:
        """Attribute values: personal data."""

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Entitlements."""

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The ids of conflicts that rules ask for several sides of."""

    @property
    def names(self) -> tuple[str, ...]:
        """The first sign-in names of the ladder: personal data."""

    @property
    def display_name(self) -> str:
        """The display name: personal data."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Explanation:
    """Why somebody is, or is not, entitled to one thing."""

    @property
    def what(self) -> str:
        """What was asked about."""

    @property
    def is_granted(self) -> bool:
        """Whether policy asks for it."""

    @property
    def grace_days(self) -> int:
        """Days that it is kept once no rule asks for it any more."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that ask for it."""

    @property
    def near(self) -> str | None:
        """Where no rule names it: the closest name that the policy has."""

    @property
    def problem(self) -> str | None:
        """What is wrong with the name in the tenant."""

    @property
    def details(self) -> dict[str, Any]:
        """The rules, their conditions, and what each lacks."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Finding:
    """Something that a policy names and the tenant has not got."""

    @property
    def line(self) -> int | None:
        """The line of the policy, from 1."""

    @property
    def column(self) -> int | None:
        """The column, in characters, from 1."""

    @property
    def message(self) -> str:
        """What it says, for people."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class CaseReport:
    """How one case of a policy went."""

    @property
    def name(self) -> str:
        """The case."""

    @property
    def passed(self) -> bool:
        """Whether the person got exactly what was expected."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Expected, and not given."""

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Given, and not expected."""

    @property
    def problems(self) -> str | None:
        """Why the rules could not be evaluated, if so."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class TestReport:
    """How all cases of a policy went."""

    @property
    def passed(self) -> bool:
        """Whether every case passed."""

    @property
    def cases(self) -> tuple[CaseReport, ...]:
        """Case by case, in the order of the document."""

    @property
    def rules_never_hit(self) -> tuple[str, ...]:
        """Rules that held in no case."""

    @property
    def matched_by_nothing(self) -> tuple[str, ...]:
        """Cases in which no rule but the defaults held."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Coverage:
    """How a policy fits the people there are."""

    @property
    def people(self) -> int:
        """How many people were looked at."""

    @property
    def hits(self) -> dict[str, int]:
        """For how many of them each rule held."""

    @property
    def rules_never_hit(self) -> tuple[str, ...]:
        """Rules that held for nobody."""

    @property
    def matched_by_nothing(self) -> tuple[str, ...]:
        """People for whom no rule but the defaults held."""

    @property
    def held(self) -> dict[str, str]:
        """People whose policy could not be evaluated, and why."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Delta:
    """Who gains and who loses one thing by an edit."""

    @property
    def kind(self) -> str:
        """The kind in one word."""

    @property
    def name(self) -> str:
        """What, as the newer policy that names it writes it."""

    @property
    def target(self) -> str | None:
        """The target, where the policy names one."""

    @property
    def gained(self) -> tuple[str, ...]:
        """People for whom only the new policy asks for it."""

    @property
    def lost(self) -> tuple[str, ...]:
        """People for whom only the old one does."""

    @property
    def grace_days(self) -> int:
        """The longest grace of those who lose it."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Edit:
    """Something that stands in both policies and differs."""

    @property
    def name(self) -> str:
        """The key."""

    @property
    def old(self) -> str:
        """Before."""

    @property
    def new(self) -> str:
        """After."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Impact:
    """What an edit of a policy would do."""

    @property
    def is_empty(self) -> bool:
        """Whether the two mean the same for everybody who was looked at, and in every setting."""

    @property
    def people(self) -> int:
        """How many people were looked at."""

    @property
    def changed(self) -> int:
        """For how many of them anything differs."""

    @property
    def entitlements(self) -> tuple[Delta, ...]:
        """By entitlement, those with the most people first."""

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """People whose attribute value would differ."""

    @property
    def held(self) -> dict[str, str]:
        """People whom only the old policy can judge, and why: they would be held."""

    @property
    def released(self) -> tuple[str, ...]:
        """People whom only the new policy can judge."""

    @property
    def conflicts(self) -> dict[str, tuple[str, ...]]:
        """People for whom rules ask for several sides of a conflict, by its id."""

    @property
    def rules_added(self) -> tuple[str, ...]:
        """Rules that are only in the new policy."""

    @property
    def rules_removed(self) -> tuple[str, ...]:
        """Rules that are only in the old one."""

    @property
    def rules_changed(self) -> dict[str, tuple[str, ...]]:
        """Rules that are in both, and what differs."""

    @property
    def settings(self) -> tuple[Edit, ...]:
        """What happens around joining, moving and leaving, the domain, the names."""

    @property
    def guard(self) -> tuple[Edit, ...]:
        """The limits of the guard, and who is protected."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Remark:
    """What became of one part of what was imported."""

    @property
    def part(self) -> str:
        """The part, as the source calls it."""

    @property
    def fate(self) -> str:
        """``"mapped"``, ``"implied"``, ``"partly"`` or ``"missing"``."""

    @property
    def line(self) -> int | None:
        """The line of the policy where it went."""

    @property
    def remark(self) -> str:
        """What differs, or what to do about it."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Imported:
    """A policy made from something else."""

    @property
    def policy(self) -> str:
        """A policy document that loads."""

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What became of each part."""

    @property
    def missing(self) -> tuple[Remark, ...]:
        """The parts that have no equivalent."""

    @property
    def text(self) -> str:
        """The whole for people; also ``str()``."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class HrNotice:
    """That something happened to somebody, told by HR without their record."""

    @property
    def row(self) -> int:
        """Where it stands: the line of a table, the index (from 1) of an array."""

    @property
    def event(self) -> str:
        """The source's own id."""

    @property
    def person(self) -> str:
        """The worker id."""

    @property
    def process(self) -> str:
        """Which process."""

    @property
    def name(self) -> str:
        """As the source calls it."""

    @property
    def effective(self) -> date | None:
        """The day from which it counts."""

    @property
    def entered_at(self) -> datetime | None:
        """When it was entered, or the platform learnt of it."""

    @property
    def urgent(self) -> bool:
        """Whether access ends at once."""

    @property
    def of(self) -> str | None:
        """The event that it takes back or corrects."""

    def to_dict(self) -> dict[str, Any]:
        """The whole as plain dicts, lists and scalars; instants and days as text."""

@final
class Engine:
    """Brings people to policy; its calls wait."""

    @staticmethod
    def open(
        policy: Policy | _Path,
        *,
        journal: str | None = None,
        tenant_id: str | None = None,
        graph: GraphClient | AsyncGraphClient | None = None,
        arm: ArmClient | AsyncArmClient | None = None,
        scim: Mapping[str, ScimClient | AsyncScimClient] | None = None,
        notifier: Any = None,
        orchestrator: Any = None,
        access_policy: Any = None,
        applications: Mapping[str, Any] | None = None,
        actor: str | None = None,
        concurrency: int | None = None,
        clock: Clock | None = None,
        gates: Mapping[str, Mapping[str, Any]] | None = None,
        accept_repeats: Sequence[str] | None = None,
        schema: str | None = None,
        checkpoint: str | None = None,
    ) -> Engine:
        """Puts an engine together.

        Args:
            policy: the policy, or its path.
            journal: ``"sqlite:FILE"`` (one process), ``"postgres://…"`` (any number of processes) or ``"memory"``; else
                ``IAM_JOURNAL``.
            tenant_id: the tenant whose journal it is; else ``IAM_TENANT_ID`` or ``AZURE_TENANT_ID``.
            graph: the directory; else that of the environment, and with it Azure and the one SCIM application.
            arm: Azure, where the policy names scopes.
            scim: the clients of SCIM applications, by the name that the policy has for each.
            notifier: ``notify(message, key)``, plain or async, or a callable. A message is a dict with ``notice``, ``person``,
                ``to``, ``subject``, ``text`` and ``carries_pass``. It is called at most once for each key: raise to say that
                nothing was sent, ``OutcomeUnknownError``, ``TimeoutError`` or ``ConnectionError`` where nobody can tell. With
                the attribute ``takes_passes`` it is also given temporary access passes. Left out, mail goes through Graph
                where the policy names a sender.
            orchestrator: ``on_event(event, state, context, standard)``, plain or async, or a callable, without effects:
                ``None`` leaves the standard decision as it is, a mapping with ``plan``, ``timers``, ``state``, ``waiting``,
                ``lacking`` or ``hold`` replaces those parts. What it raises has the event tried again later.
            access_policy: ``desired(person, manager, today)``, pure and not async, in the place of the policy's rules: a
                mapping with ``attributes`` and ``grants`` (``"group:All Staff"``, or a mapping with ``kind``, ``name``,
                ``target``, ``rules``, ``grace_days``). What it raises has the person held, and nothing taken away. Its
                attribute ``version`` is kept with each grant; ``depends_on_date = False`` says that days do not matter.
            applications: applications of one's own, by the name that the policy has for each: objects with ``roles()`` (names, or
                ids with names), ``held(accounts)`` (role ids by account), ``grant(account, role, key)`` and
                ``revoke(account, role, key)``, plain or async. Accounts are the directory's. Giving what is held and taking
                what is not must be harmless, and answer ``False``. What they raise has the step tried again later. With
                ``privileged = True`` their roles count as administrative power.
            actor: who plans by this engine: a frozen plan is released by somebody else.
            concurrency: how many people are worked on at once (16).
            clock: another clock than the machine's.
            gates: when a delivery of a source is held, for example ``{"hr.csv": {"max_reject_percent": 20}}``; keys are
                ``max_loss_percent``, ``max_growth_percent``, ``small``, ``max_reject_percent``, ``max_field_loss_percent``,
                ``same_schema`` and ``never_empty``.
            accept_repeats: kinds of steps that may happen twice rather than not at all, for example ``"notify"``.
            schema: the schema of the tables in PostgreSQL (``iam``).
            checkpoint: the end of the audit as it was kept elsewhere: a journal that went back in time is refused.

        Raises:
            StorageError: the journal cannot be opened: in use by another process, of another tenant, of a newer version.
            InvalidError: something is missing, with advice.
        """

    @property
    def policy(self) -> Policy:
        """The policy that it was opened with."""

    def person(self, person: str) -> PersonState | None:
        """What is known of a person."""

    def people(
        self, search: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> tuple[PersonState, ...]:
        """Everybody on whom work has been done, by worker id.

        Args:
            search: parts of worker id, names or sign-in names, all of which must be found; reads the whole journal.
            after: the last worker id of the page before.
            limit: at most so many.
        """

    def timeline(self, person: str) -> tuple[TimelineEntry, ...]:
        """Everything that happened to a person, and what is still to come."""

    def accept(self, records: _Records) -> Accepted:
        """Accepts records of HR: durable when it returns.

        A record is a row of an ``Intake``, or an object of the flat feed as a mapping, JSON or a pydantic model, or an iterable
        of those. What is refused of it stands in ``Accepted.rejects`` and stops nothing else.

        Raises:
            StorageError: nothing of it counts.
        """

    def accept_events(self, events: _Json | Iterable[_Json]) -> Accepted:
        """Accepts events of a source that knows events.

        Args:
            events: each with ``id``, ``person``, ``kind`` (``"join"``, ``"move"``, ``"leave"``, …), and perhaps ``source``, ``effective``,
                ``zone``, ``entered_at``, ``record``, ``last_day``, ``urgent``, ``of``.

        Raises:
            InvalidError: one of them cannot be understood; none was accepted.
        """

    def accept_file(
        self,
        intake: Intake,
        file: _Input,
        source: str | None = None,
        *,
        rejected: Callable[[Reject], Any] | None = None,
    ) -> Reading:
        """Reads a file and accepts it.

        With a ``source`` it is delivered: believed as a whole, or held where it is not like the last good one of that source.
        Without one each row is believed as it comes.

        Args:
            intake: how it is read.
            file: bytes, a path, or a file that was opened in binary mode.
            source: the name under which the last good one is remembered.
            rejected: is told of each row that is refused, which are not collected then.
        """

    def receive(self, messages: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> tuple[Taken, ...]:
        """Takes CloudEvents in: each is an event, nothing new, or a dead letter when it returns.

        Args:
            messages: each with ``source``, ``id``, ``type``, and perhaps ``time``, ``datacontenttype`` and ``data`` (bytes, text or JSON).

        Raises:
            StorageError: none may be acknowledged; bringing them again is harmless.
        """

    def plan_with(self, records: _Records) -> Preview:
        """Works out what would happen now if HR said these records as well, and writes nothing.

        Args:
            records: JSON text of the flat feed (one object, or an array of them), or records that were read.

        Raises:
            InvalidError: the first record that is refused, and why.
        """

    def events(
        self,
        headway: Sequence[str] = ...,
        *,
        person: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Lists events by how far they have come, the newest first.

        Args:
            headway: ``accepted``, ``begun``, ``waiting``, ``done``, ``dead``, ``superseded``; all without any. Timers that
                nobody has begun are left out.
            person: of this worker id only.
            before: the ``place`` of the last one of the page before.
            limit: at most so many.

        Returns:
            Stories as of :meth:`story`, each with its ``place`` and its ``headway``.

        Raises:
            InvalidError: there is no such headway.
        """

    def figures(self) -> dict[str, int]:
        """Counts the events that are ``begun``, that are ``waiting``, and that are ``dead``."""

    def told(self, since: datetime | str, until: datetime | str) -> list[dict[str, Any]]:
        """Counts what was told from ``since`` on and before ``until``: each with ``day`` (UTC), ``kind`` and ``count``."""

    def coming(self, timers: Sequence[str], until: datetime | str, *, limit: int = 1000) -> list[dict[str, Any]]:
        """Lists the instants that come up in people's calendars before ``until``, the next first.

        Args:
            timers: of these kinds: ``create``, ``pass``, ``start``, ``leave``, ``change``, ``grace``, ``delete``,
                ``remind``, ``sign_in``, ``recheck``, ``review``.
            until: an instant.
            limit: at most so many.

        Raises:
            InvalidError: there is no such timer.
        """

    def notes(self, prefix: str, *, before: str | None = None, limit: int = 100) -> list[tuple[str, Any]]:
        """Lists what was noted last under the names that begin so, the last name first, from before a name on."""

    def story(self, event: str) -> dict[str, Any] | None:
        """Tells one event's state, plan and steps; it names the worker, and nothing else of the person."""

    def cloudevents(self, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Takes CloudEvents in, as they came over HTTP from a sender who is known.

        Returns:
            Status, headers and body of the answer: 202 once they are durable.
        """

    def note(self, name: str) -> tuple[int, Any] | None:
        """Reads the version and the value of what was noted under a name last."""

    def set_note(self, name: str, version: int, value: Any) -> bool:
        """Notes something in the journal's database, unless somebody else has since that version (0: none)."""

    def plan(self) -> Preview:
        """Everything that would happen now. Nothing is changed."""

    def plan_as_of(self, instant: datetime | str) -> AsOf:
        """What will have been done by an instant to come, or what was known at one that is over."""

    def apply(
        self, hash: str, canary: int | None = None, progress: Callable[[Progress], Any] | None = None
    ) -> RunReport:
        """Carries out exactly what the plan with this hash showed.

        Args:
            hash: ``Preview.hash``.
            canary: so many people go first, are read back, and only then the others follow.
            progress: is told of every step and person; what it raises stops nothing.

        Raises:
            ConflictError: planning now gives something else; nothing was done.
            GuardedError: the guard refuses, or the canary is not as planned.
        """

    def run(self, progress: Callable[[Progress], Any] | None = None) -> RunReport:
        """Works off everything that is due, if the guard lets it.

        Raises:
            GuardedError: the guard refuses the whole; nothing was done, and the plan is frozen.
        """

    def run_worker(
        self,
        workers: int | None = None,
        *,
        stop: _Event | Callable[[], Any] | None = None,
        progress: Callable[[Progress], Any] | None = None,
        lease: float | None = None,
        grace: float | None = None,
    ) -> FleetReport:
        """Works until it is stopped. Any number of processes may do so on one PostgreSQL.

        Ctrl-C or cancelling stops the workers, which finish what they have begun; ``close`` waits for that.

        Args:
            workers: how many, with eight people each.
            stop: an event that is set, or a callable that says yes, when to stop.
            progress: is told of every step, person and trouble.
            lease: for how many seconds a person is held without a sign of life (60).
            grace: how many seconds workers have to finish (half the lease).
        """

    def why(self, person: str, what: _What) -> Why:
        """Why somebody holds something, and what would take it away.

        Raises:
            NotFoundError: HR never said anything of that person.
        """

    def why_not(self, person: str, what: _What) -> WhyNot:
        """Why somebody does not hold something.

        Raises:
            NotFoundError: HR never said anything of that person.
        """

    def evidence(self, person: str) -> Evidence:
        """What an auditor asks of somebody's access."""

    def drift(self, found: Callable[[PersonDrift], Any] | None = None) -> DriftReport:
        """Where accounts are not as the platform left them; everybody is read.

        Args:
            found: is told of each person, who are not collected then.
        """

    def drift_of(self, person: str) -> PersonDrift:
        """The same of one person."""

    def revert(self, person: str, by: str, reason: str, take: Sequence[Entitlement] = ...) -> str:
        """Asks for a person to be brought back to what HR and policy say, by the next run.

        Args:
            person: the worker id.
            by: who asks for it.
            reason: why.
            take: what somebody else gave and is to be taken.

        Returns:
            The id of the event.
        """

    def undo_plan(self, event: str) -> UndoPlan:
        """What undoing an event would do now."""

    def undo(self, event: str, by: str, reason: str) -> str:
        """Asks for an event to be undone, by the next run.

        Returns:
            The id of the event that does it.

        Raises:
            ConflictError: nothing is left to undo, or all of it is refused.
        """

    def waiting(self, person: str) -> Waiting:
        """Why nothing happens for somebody."""

    def stalled(self) -> Stalled | None:
        """The work that could have been taken for the longest time."""

    def overdue(self) -> tuple[TimelineEntry, ...]:
        """Instants that have come and were not worked off."""

    def next_due(self) -> datetime | None:
        """When something becomes due next."""

    def frozen(self) -> Frozen | None:
        """The plan that the guard has frozen, or that is released and not applied yet."""

    def freezes(self) -> tuple[Frozen, ...]:
        """Every plan that the guard ever froze."""

    def release(self, hash: str, by: str, reason: str) -> None:
        """Releases the frozen plan with this hash.

        Raises:
            DeniedError: ``by`` has planned it.
            NotFoundError: no plan with this hash is frozen.
        """

    def requeue(self, event: str, by: str, reason: str) -> None:
        """Brings an event that was set aside back to work, or hastens one that waits for its next attempt."""

    def skip(self, event: str, by: str, reason: str) -> None:
        """Lets later events of a person go on without the one that has parked them."""

    def resolve(self, event: str, step: str, happened: bool, by: str, reason: str) -> None:
        """Answers for a step of which nobody knows whether it happened."""

    def asks(self) -> tuple[Ask, ...]:
        """What workers asked about, because it counts against a limit of the guard."""

    def quarantined(self) -> tuple[Quarantined, ...]:
        """Events whose id was known with other content."""

    def staged(self) -> tuple[Staged, ...]:
        """Deliveries that are held or were cut off."""

    def release_delivery(self, delivery: int, by: str, reason: str) -> Accepted:
        """Believes a held delivery."""

    def discard_delivery(self, delivery: int, by: str, reason: str) -> None:
        """Gives a held delivery up."""

    def dead_letters(self, after: int | None = None, limit: int = 100) -> tuple[Letter, ...]:
        """Messages that could not be understood and that nobody has decided about."""

    def retry_letter(self, letter: int, corrected: Mapping[str, Any], by: str, reason: str) -> Accepted:
        """Accepts a dead letter as somebody has corrected it."""

    def discard_letter(self, letter: int, by: str, reason: str) -> None:
        """Decides that a dead letter does not count."""

    def audit(self, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Entries of the audit behind a sequence, in order."""

    def verify_audit(self, checkpoint: str | None = None) -> AuditCheck:
        """Verifies the whole audit.

        Args:
            checkpoint: an earlier ``AuditCheck.checkpoint``, kept elsewhere.
        """

    def check(self) -> tuple[HealthFinding, ...]:
        """Looks at the journal itself: what it rests on, and whether the audit is whole."""

    def backup(self, path: _Path) -> str:
        """Writes a copy of an SQLite journal while it is worked on.

        Returns:
            The end of the copy's audit, to be kept elsewhere: ``open(checkpoint=…)``.

        Raises:
            StorageError: there is a file of that name, or it cannot be written. Nothing is left behind.
            InvalidError: the journal is no file.
        """

    def archive(self, until: datetime | str) -> int:
        """Moves what ended before that instant out of an SQLite journal, into a file beside it.

        Returns:
            How many events were moved.

        Raises:
            InvalidError: the journal is no file.
        """

    def erase(self, person: str, by: str, reason: str) -> None:
        """Destroys what is known of somebody whose account is gone; the audit still verifies.

        Raises:
            ConflictError: there is an account, or an event that is not over.
        """

    def close(self) -> None:
        """Waits for workers, and closes the journal."""

    def __enter__(self) -> Self: ...
    def __exit__(self, _kind: object, _error: object, _trace: object) -> None: ...

@final
class AsyncEngine:
    """Brings people to policy; its calls are awaited."""

    @staticmethod
    async def open(
        policy: Policy | _Path,
        *,
        journal: str | None = None,
        tenant_id: str | None = None,
        graph: GraphClient | AsyncGraphClient | None = None,
        arm: ArmClient | AsyncArmClient | None = None,
        scim: Mapping[str, ScimClient | AsyncScimClient] | None = None,
        notifier: Any = None,
        orchestrator: Any = None,
        access_policy: Any = None,
        applications: Mapping[str, Any] | None = None,
        actor: str | None = None,
        concurrency: int | None = None,
        clock: Clock | None = None,
        gates: Mapping[str, Mapping[str, Any]] | None = None,
        accept_repeats: Sequence[str] | None = None,
        schema: str | None = None,
        checkpoint: str | None = None,
    ) -> AsyncEngine:
        """Puts an engine together.

        Args:
            policy: the policy, or its path.
            journal: ``"sqlite:FILE"`` (one process), ``"postgres://…"`` (any number of processes) or ``"memory"``; else
                ``IAM_JOURNAL``.
            tenant_id: the tenant whose journal it is; else ``IAM_TENANT_ID`` or ``AZURE_TENANT_ID``.
            graph: the directory; else that of the environment, and with it Azure and the one SCIM application.
            arm: Azure, where the policy names scopes.
            scim: the clients of SCIM applications, by the name that the policy has for each.
            notifier: ``notify(message, key)``, plain or async, or a callable. A message is a dict with ``notice``, ``person``,
                ``to``, ``subject``, ``text`` and ``carries_pass``. It is called at most once for each key: raise to say that
                nothing was sent, ``OutcomeUnknownError``, ``TimeoutError`` or ``ConnectionError`` where nobody can tell. With
                the attribute ``takes_passes`` it is also given temporary access passes. Left out, mail goes through Graph
                where the policy names a sender.
            orchestrator: ``on_event(event, state, context, standard)``, plain or async, or a callable, without effects:
                ``None`` leaves the standard decision as it is, a mapping with ``plan``, ``timers``, ``state``, ``waiting``,
                ``lacking`` or ``hold`` replaces those parts. What it raises has the event tried again later.
            access_policy: ``desired(person, manager, today)``, pure and not async, in the place of the policy's rules: a
                mapping with ``attributes`` and ``grants`` (``"group:All Staff"``, or a mapping with ``kind``, ``name``,
                ``target``, ``rules``, ``grace_days``). What it raises has the person held, and nothing taken away. Its
                attribute ``version`` is kept with each grant; ``depends_on_date = False`` says that days do not matter.
            applications: applications of one's own, by the name that the policy has for each: objects with ``roles()`` (names, or
                ids with names), ``held(accounts)`` (role ids by account), ``grant(account, role, key)`` and
                ``revoke(account, role, key)``, plain or async. Accounts are the directory's. Giving what is held and taking
                what is not must be harmless, and answer ``False``. What they raise has the step tried again later. With
                ``privileged = True`` their roles count as administrative power.
            actor: who plans by this engine: a frozen plan is released by somebody else.
            concurrency: how many people are worked on at once (16).
            clock: another clock than the machine's.
            gates: when a delivery of a source is held, for example ``{"hr.csv": {"max_reject_percent": 20}}``; keys are
                ``max_loss_percent``, ``max_growth_percent``, ``small``, ``max_reject_percent``, ``max_field_loss_percent``,
                ``same_schema`` and ``never_empty``.
            accept_repeats: kinds of steps that may happen twice rather than not at all, for example ``"notify"``.
            schema: the schema of the tables in PostgreSQL (``iam``).
            checkpoint: the end of the audit as it was kept elsewhere: a journal that went back in time is refused.

        Raises:
            StorageError: the journal cannot be opened: in use by another process, of another tenant, of a newer version.
            InvalidError: something is missing, with advice.
        """

    @property
    def policy(self) -> Policy:
        """The policy that it was opened with."""

    async def person(self, person: str) -> PersonState | None:
        """What is known of a person."""

    async def people(
        self, search: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> tuple[PersonState, ...]:
        """Everybody on whom work has been done, by worker id.

        Args:
            search: parts of worker id, names or sign-in names, all of which must be found; reads the whole journal.
            after: the last worker id of the page before.
            limit: at most so many.
        """

    async def timeline(self, person: str) -> tuple[TimelineEntry, ...]:
        """Everything that happened to a person, and what is still to come."""

    async def accept(self, records: _Records) -> Accepted:
        """Accepts records of HR: durable when it returns.

        A record is a row of an ``Intake``, or an object of the flat feed as a mapping, JSON or a pydantic model, or an iterable
        of those. What is refused of it stands in ``Accepted.rejects`` and stops nothing else.

        Raises:
            StorageError: nothing of it counts.
        """

    async def accept_events(self, events: _Json | Iterable[_Json]) -> Accepted:
        """Accepts events of a source that knows events.

        Args:
            events: each with ``id``, ``person``, ``kind`` (``"join"``, ``"move"``, ``"leave"``, …), and perhaps ``source``, ``effective``,
                ``zone``, ``entered_at``, ``record``, ``last_day``, ``urgent``, ``of``.

        Raises:
            InvalidError: one of them cannot be understood; none was accepted.
        """

    async def accept_file(
        self,
        intake: Intake,
        file: _Input,
        source: str | None = None,
        *,
        rejected: Callable[[Reject], Any] | None = None,
    ) -> Reading:
        """Reads a file and accepts it.

        With a ``source`` it is delivered: believed as a whole, or held where it is not like the last good one of that source.
        Without one each row is believed as it comes.

        Args:
            intake: how it is read.
            file: bytes, a path, or a file that was opened in binary mode.
            source: the name under which the last good one is remembered.
            rejected: is told of each row that is refused, which are not collected then.
        """

    async def receive(self, messages: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> tuple[Taken, ...]:
        """Takes CloudEvents in: each is an event, nothing new, or a dead letter when it returns.

        Args:
            messages: each with ``source``, ``id``, ``type``, and perhaps ``time``, ``datacontenttype`` and ``data`` (bytes, text or JSON).

        Raises:
            StorageError: none may be acknowledged; bringing them again is harmless.
        """

    async def plan_with(self, records: _Records) -> Preview:
        """Works out what would happen now if HR said these records as well, and writes nothing.

        Args:
            records: JSON text of the flat feed (one object, or an array of them), or records that were read.

        Raises:
            InvalidError: the first record that is refused, and why.
        """

    async def events(
        self,
        headway: Sequence[str] = ...,
        *,
        person: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Lists events by how far they have come, the newest first.

        Args:
            headway: ``accepted``, ``begun``, ``waiting``, ``done``, ``dead``, ``superseded``; all without any. Timers that
                nobody has begun are left out.
            person: of this worker id only.
            before: the ``place`` of the last one of the page before.
            limit: at most so many.

        Returns:
            Stories as of :meth:`story`, each with its ``place`` and its ``headway``.

        Raises:
            InvalidError: there is no such headway.
        """

    async def figures(self) -> dict[str, int]:
        """Counts the events that are ``begun``, that are ``waiting``, and that are ``dead``."""

    async def told(self, since: datetime | str, until: datetime | str) -> list[dict[str, Any]]:
        """Counts what was told from ``since`` on and before ``until``: each with ``day`` (UTC), ``kind`` and ``count``."""

    async def coming(self, timers: Sequence[str], until: datetime | str, *, limit: int = 1000) -> list[dict[str, Any]]:
        """Lists the instants that come up in people's calendars before ``until``, the next first.

        Args:
            timers: of these kinds: ``create``, ``pass``, ``start``, ``leave``, ``change``, ``grace``, ``delete``,
                ``remind``, ``sign_in``, ``recheck``, ``review``.
            until: an instant.
            limit: at most so many.

        Raises:
            InvalidError: there is no such timer.
        """

    async def notes(self, prefix: str, *, before: str | None = None, limit: int = 100) -> list[tuple[str, Any]]:
        """Lists what was noted last under the names that begin so, the last name first, from before a name on."""

    async def story(self, event: str) -> dict[str, Any] | None:
        """Tells one event's state, plan and steps; it names the worker, and nothing else of the person."""

    async def cloudevents(
        self, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Takes CloudEvents in, as they came over HTTP from a sender who is known.

        Returns:
            Status, headers and body of the answer: 202 once they are durable.
        """

    async def note(self, name: str) -> tuple[int, Any] | None:
        """Reads the version and the value of what was noted under a name last."""

    async def set_note(self, name: str, version: int, value: Any) -> bool:
        """Notes something in the journal's database, unless somebody else has since that version (0: none)."""

    async def plan(self) -> Preview:
        """Everything that would happen now. Nothing is changed."""

    async def plan_as_of(self, instant: datetime | str) -> AsOf:
        """What will have been done by an instant to come, or what was known at one that is over."""

    async def apply(
        self, hash: str, canary: int | None = None, progress: Callable[[Progress], Any] | None = None
    ) -> RunReport:
        """Carries out exactly what the plan with this hash showed.

        Args:
            hash: ``Preview.hash``.
            canary: so many people go first, are read back, and only then the others follow.
            progress: is told of every step and person; what it raises stops nothing.

        Raises:
            ConflictError: planning now gives something else; nothing was done.
            GuardedError: the guard refuses, or the canary is not as planned.
        """

    async def run(self, progress: Callable[[Progress], Any] | None = None) -> RunReport:
        """Works off everything that is due, if the guard lets it.

        Raises:
            GuardedError: the guard refuses the whole; nothing was done, and the plan is frozen.
        """

    async def run_worker(
        self,
        workers: int | None = None,
        *,
        stop: _Event | Callable[[], Any] | None = None,
        progress: Callable[[Progress], Any] | None = None,
        lease: float | None = None,
        grace: float | None = None,
    ) -> FleetReport:
        """Works until it is stopped. Any number of processes may do so on one PostgreSQL.

        Ctrl-C or cancelling stops the workers, which finish what they have begun; ``close`` waits for that.

        Args:
            workers: how many, with eight people each.
            stop: an event that is set, or a callable that says yes, when to stop.
            progress: is told of every step, person and trouble.
            lease: for how many seconds a person is held without a sign of life (60).
            grace: how many seconds workers have to finish (half the lease).
        """

    async def why(self, person: str, what: _What) -> Why:
        """Why somebody holds something, and what would take it away.

        Raises:
            NotFoundError: HR never said anything of that person.
        """

    async def why_not(self, person: str, what: _What) -> WhyNot:
        """Why somebody does not hold something.

        Raises:
            NotFoundError: HR never said anything of that person.
        """

    async def evidence(self, person: str) -> Evidence:
        """What an auditor asks of somebody's access."""

    async def drift(self, found: Callable[[PersonDrift], Any] | None = None) -> DriftReport:
        """Where accounts are not as the platform left them; everybody is read.

        Args:
            found: is told of each person, who are not collected then.
        """

    async def drift_of(self, person: str) -> PersonDrift:
        """The same of one person."""

    async def revert(self, person: str, by: str, reason: str, take: Sequence[Entitlement] = ...) -> str:
        """Asks for a person to be brought back to what HR and policy say, by the next run.

        Args:
            person: the worker id.
            by: who asks for it.
            reason: why.
            take: what somebody else gave and is to be taken.

        Returns:
            The id of the event.
        """

    async def undo_plan(self, event: str) -> UndoPlan:
        """What undoing an event would do now."""

    async def undo(self, event: str, by: str, reason: str) -> str:
        """Asks for an event to be undone, by the next run.

        Returns:
            The id of the event that does it.

        Raises:
            ConflictError: nothing is left to undo, or all of it is refused.
        """

    async def waiting(self, person: str) -> Waiting:
        """Why nothing happens for somebody."""

    async def stalled(self) -> Stalled | None:
        """The work that could have been taken for the longest time."""

    async def overdue(self) -> tuple[TimelineEntry, ...]:
        """Instants that have come and were not worked off."""

    async def next_due(self) -> datetime | None:
        """When something becomes due next."""

    async def frozen(self) -> Frozen | None:
        """The plan that the guard has frozen, or that is released and not applied yet."""

    async def freezes(self) -> tuple[Frozen, ...]:
        """Every plan that the guard ever froze."""

    async def release(self, hash: str, by: str, reason: str) -> None:
        """Releases the frozen plan with this hash.

        Raises:
            DeniedError: ``by`` has planned it.
            NotFoundError: no plan with this hash is frozen.
        """

    async def requeue(self, event: str, by: str, reason: str) -> None:
        """Brings an event that was set aside back to work, or hastens one that waits for its next attempt."""

    async def skip(self, event: str, by: str, reason: str) -> None:
        """Lets later events of a person go on without the one that has parked them."""

    async def resolve(self, event: str, step: str, happened: bool, by: str, reason: str) -> None:
        """Answers for a step of which nobody knows whether it happened."""

    async def asks(self) -> tuple[Ask, ...]:
        """What workers asked about, because it counts against a limit of the guard."""

    async def quarantined(self) -> tuple[Quarantined, ...]:
        """Events whose id was known with other content."""

    async def staged(self) -> tuple[Staged, ...]:
        """Deliveries that are held or were cut off."""

    async def release_delivery(self, delivery: int, by: str, reason: str) -> Accepted:
        """Believes a held delivery."""

    async def discard_delivery(self, delivery: int, by: str, reason: str) -> None:
        """Gives a held delivery up."""

    async def dead_letters(self, after: int | None = None, limit: int = 100) -> tuple[Letter, ...]:
        """Messages that could not be understood and that nobody has decided about."""

    async def retry_letter(self, letter: int, corrected: Mapping[str, Any], by: str, reason: str) -> Accepted:
        """Accepts a dead letter as somebody has corrected it."""

    async def discard_letter(self, letter: int, by: str, reason: str) -> None:
        """Decides that a dead letter does not count."""

    async def audit(self, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Entries of the audit behind a sequence, in order."""

    async def verify_audit(self, checkpoint: str | None = None) -> AuditCheck:
        """Verifies the whole audit.

        Args:
            checkpoint: an earlier ``AuditCheck.checkpoint``, kept elsewhere.
        """

    async def check(self) -> tuple[HealthFinding, ...]:
        """Looks at the journal itself: what it rests on, and whether the audit is whole."""

    async def backup(self, path: _Path) -> str:
        """Writes a copy of an SQLite journal while it is worked on.

        Returns:
            The end of the copy's audit, to be kept elsewhere: ``open(checkpoint=…)``.

        Raises:
            StorageError: there is a file of that name, or it cannot be written. Nothing is left behind.
            InvalidError: the journal is no file.
        """

    async def archive(self, until: datetime | str) -> int:
        """Moves what ended before that instant out of an SQLite journal, into a file beside it.

        Returns:
            How many events were moved.

        Raises:
            InvalidError: the journal is no file.
        """

    async def erase(self, person: str, by: str, reason: str) -> None:
        """Destroys what is known of somebody whose account is gone; the audit still verifies.

        Raises:
            ConflictError: there is an account, or an event that is not over.
        """

    async def close(self) -> None:
        """Waits for workers, and closes the journal."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, _kind: object, _error: object, _trace: object) -> None: ...

@final
class TokenValidator:
    """Checks access tokens of Microsoft Entra that come with a request; its calls wait.

    The tenant's signing keys are fetched when the first token comes, and anew every day and when a token names a key
    that is not among them, at most once in five minutes.

    Args:
        tenant_id: the tenant's id, a GUID.
        audience: the API's client id or application ID URI, or several.
        cloud: ``"public"``, ``"us_government"`` or ``"china"``; else the environment's.
        authority: where the tenant's keys are, unless the cloud says so.
        ca_bundle: a PEM file of certificates to trust.
        proxy: the URL of a proxy.
        timeout: seconds for one attempt.
        leeway: how many seconds clocks may differ (60).
        guests: whether guests are let in.
        clock: another clock than the machine's.

    Raises:
        InvalidError: the tenant is not given by its id, or there is no audience.
    """

    def __new__(
        cls,
        tenant_id: str,
        audience: str | Sequence[str],
        *,
        cloud: str | None = None,
        authority: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
        leeway: float | None = None,
        guests: bool = False,
        clock: Clock | None = None,
    ) -> Self: ...
    def validate(self, token: str) -> dict[str, Any]:
        """The claims of a token once everything about it was found in order; ``roles`` is always a list.

        Raises:
            UnauthenticatedError: ``reason`` says what is wrong: ``"expired"``, ``"wrong_audience"``, ``"signature"``, …
            UnavailableError: the signing keys cannot be had, so that nobody is let in.
        """

    def ready(self) -> None:
        """Fetches the signing keys where there are none yet.

        Raises:
            UnavailableError: they cannot be had.
        """

@final
class AsyncTokenValidator:
    """Checks access tokens of Microsoft Entra that come with a request; its calls are awaited.

    The tenant's signing keys are fetched when the first token comes, and anew every day and when a token names a key
    that is not among them, at most once in five minutes.

    Args:
        tenant_id: the tenant's id, a GUID.
        audience: the API's client id or application ID URI, or several.
        cloud: ``"public"``, ``"us_government"`` or ``"china"``; else the environment's.
        authority: where the tenant's keys are, unless the cloud says so.
        ca_bundle: a PEM file of certificates to trust.
        proxy: the URL of a proxy.
        timeout: seconds for one attempt.
        leeway: how many seconds clocks may differ (60).
        guests: whether guests are let in.
        clock: another clock than the machine's.

    Raises:
        InvalidError: the tenant is not given by its id, or there is no audience.
    """

    def __new__(
        cls,
        tenant_id: str,
        audience: str | Sequence[str],
        *,
        cloud: str | None = None,
        authority: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
        leeway: float | None = None,
        guests: bool = False,
        clock: Clock | None = None,
    ) -> Self: ...
    async def validate(self, token: str) -> dict[str, Any]:
        """The claims of a token once everything about it was found in order; ``roles`` is always a list.

        Raises:
            UnauthenticatedError: ``reason`` says what is wrong: ``"expired"``, ``"wrong_audience"``, ``"signature"``, …
            UnavailableError: the signing keys cannot be had, so that nobody is let in.
        """

    async def ready(self) -> None:
        """Fetches the signing keys where there are none yet.

        Raises:
            UnavailableError: they cannot be had.
        """

@final
class ScimServer:
    """The SCIM 2.0 service provider over a file, whose users the engine hears of before they are kept; its calls wait."""

    def __new__(cls, path: str, engine: Engine, *, base_url: str | None = None) -> Self:
        """Opens it.

        Args:
            path: the file; it is made where there is none.
            engine: accepts each user as HR's word.
            base_url: the root as clients see it; else what each request says.

        Raises:
            StorageError: the file cannot be used.
        """

    def handle(
        self,
        method: str,
        path: Sequence[str],
        query: Sequence[tuple[str, str]],
        headers: Sequence[tuple[str, str]],
        body: bytes,
        base: str,
    ) -> tuple[int, list[tuple[str, str]], str | None]:
        """Answers a request.

        Args:
            method: the verb.
            path: the decoded segments below the root, such as ``["Users", "2819c223"]``.
            query: decoded names and values.
            headers: names and values.
            body: as it came.
            base: the root as this client sees it.

        Returns:
            Status, headers, and the body where there is one.
        """

@final
class AsyncScimServer:
    """The SCIM 2.0 service provider over a file, whose users the engine hears of before they are kept; its calls are awaited."""

    def __new__(cls, path: str, engine: AsyncEngine, *, base_url: str | None = None) -> Self:
        """Opens it.

        Args:
            path: the file; it is made where there is none.
            engine: accepts each user as HR's word.
            base_url: the root as clients see it; else what each request says.

        Raises:
            StorageError: the file cannot be used.
        """

    async def handle(
        self,
        method: str,
        path: Sequence[str],
        query: Sequence[tuple[str, str]],
        headers: Sequence[tuple[str, str]],
        body: bytes,
        base: str,
    ) -> tuple[int, list[tuple[str, str]], str | None]:
        """Answers a request.

        Args:
            method: the verb.
            path: the decoded segments below the root, such as ``["Users", "2819c223"]``.
            query: decoded names and values.
            headers: names and values.
            body: as it came.
            base: the root as this client sees it.

        Returns:
            Status, headers, and the body where there is one.
        """

def check_records(text: str) -> dict[str, Any]:
    """Tells of JSON text of the flat feed what is refused (``rejects``), and whom the rest is about (``people``).

    Raises:
        InvalidError: the text cannot be read at all.
    """

def event_id(source: str, id: str) -> str:
    """Makes the id of the event that a message brings."""

def verify_webhook(secret: str, id: str, timestamp: str, signature: str, body: bytes) -> None:
    """Checks a webhook by Standard Webhooks: signed with the secret, and not older than five minutes.

    Raises:
        UnauthenticatedError: it is not.
    """
