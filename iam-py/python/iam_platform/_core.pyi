"""The compiled half of :mod:`iam_platform`: import its names from there."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Protocol, TypeAlias, TypedDict, final

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
        self, requests: Iterable[Mapping[str, Any]] | str | bytes, *, parallel: int = 4
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
        self, requests: Iterable[Mapping[str, Any]] | str | bytes, *, parallel: int = 4
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
