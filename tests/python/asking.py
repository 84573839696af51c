"""What the tests of msgraph-sdk ask with: options, drafts of users, links."""

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.user import User
from msgraph.generated.users.users_request_builder import UsersRequestBuilder


def asking(parameters=None, **headers):
    """A request configuration with query parameters and headers."""
    configuration = RequestConfiguration(query_parameters=parameters)
    for name, value in headers.items():
        configuration.headers.add(name, value)
    return configuration


def users(**options):
    return UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(**options)


def draft(name, **more):
    return User(
        account_enabled=True,
        display_name=name.title(),
        mail_nickname=name,
        user_principal_name=f"{name}@contoso.example",
        password_profile=PasswordProfile(password="xK9-fw2p!Q-riverbed"),
        usage_location="AU",
        **more,
    )


def link(tenant, kind, key):
    return f"{tenant['SANDBOX_GRAPH']}/{kind}/{key}"
