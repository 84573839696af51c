//! The properties of directory objects: what may be written, what comes back without `$select`
//! ("user resource type", "group resource type"). Those of applications and service principals stand beside their routes.

use serde_json::Value;

use crate::errors::Fail;

/// The kinds of directory objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    User,
    Group,
    Application,
    ServicePrincipal,
}

/// Type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edm {
    /// A text of at most that many characters.
    Text(usize),
    Bool,
    Instant,
    Texts,
    Complex,
    Complexes,
}

/// How a property may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Written, and returned without `$select`.
    Shown,
    /// Written, returned on `$select`.
    Hidden,
    /// Set by the service, returned without `$select`.
    Fixed,
    /// Set by the service, returned on `$select`.
    FixedHidden,
    /// Written, never returned.
    WriteOnly,
}

/// One property.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) edm: Edm,
    pub(crate) access: Access,
}

pub(crate) const fn p(name: &'static str, edm: Edm, access: Access) -> Property {
    Property { name, edm, access }
}

use Access::{Fixed, FixedHidden, Hidden, Shown, WriteOnly};
use Edm::{Bool, Complex, Complexes, Instant, Text, Texts};

use crate::{applications, service_principals};

const USER: &[Property] = &[
    p("businessPhones", Texts, Shown),
    p("displayName", Text(256), Shown),
    p("givenName", Text(64), Shown),
    p("jobTitle", Text(128), Shown),
    p("mail", Text(256), Shown),
    p("mobilePhone", Text(64), Shown),
    p("officeLocation", Text(128), Shown),
    p("preferredLanguage", Text(32), Shown),
    p("surname", Text(64), Shown),
    p("userPrincipalName", Text(113), Shown),
    p("id", Text(36), Fixed),
    p("accountEnabled", Bool, Hidden),
    p("ageGroup", Text(32), Hidden),
    p("assignedLicenses", Complexes, FixedHidden),
    p("city", Text(128), Hidden),
    p("companyName", Text(64), Hidden),
    p("consentProvidedForMinor", Text(32), Hidden),
    p("country", Text(128), Hidden),
    p("createdDateTime", Instant, FixedHidden),
    p("creationType", Text(64), FixedHidden),
    p("deletedDateTime", Instant, FixedHidden),
    p("department", Text(64), Hidden),
    p("employeeHireDate", Instant, Hidden),
    p("employeeId", Text(16), Hidden),
    p("employeeLeaveDateTime", Instant, Hidden),
    p("employeeOrgData", Complex, Hidden),
    p("employeeType", Text(64), Hidden),
    p("externalUserState", Text(64), FixedHidden),
    p("faxNumber", Text(64), Hidden),
    p("identities", Complexes, Hidden),
    p("imAddresses", Texts, FixedHidden),
    p("lastPasswordChangeDateTime", Instant, FixedHidden),
    p("licenseAssignmentStates", Complexes, FixedHidden),
    p("mailNickname", Text(64), Hidden),
    p("onPremisesDistinguishedName", Text(256), FixedHidden),
    p("onPremisesDomainName", Text(256), FixedHidden),
    p("onPremisesExtensionAttributes", Complex, Hidden),
    p("onPremisesImmutableId", Text(256), Hidden),
    p("onPremisesLastSyncDateTime", Instant, FixedHidden),
    p("onPremisesSamAccountName", Text(256), FixedHidden),
    p("onPremisesSecurityIdentifier", Text(256), FixedHidden),
    p("onPremisesSyncEnabled", Bool, FixedHidden),
    p("onPremisesUserPrincipalName", Text(256), FixedHidden),
    p("otherMails", Texts, Hidden),
    p("passwordPolicies", Text(64), Hidden),
    p("passwordProfile", Complex, WriteOnly),
    p("postalCode", Text(40), Hidden),
    p("preferredDataLocation", Text(32), Hidden),
    p("proxyAddresses", Texts, FixedHidden),
    p("refreshTokensValidFromDateTime", Instant, FixedHidden),
    p("securityIdentifier", Text(256), FixedHidden),
    p("showInAddressList", Bool, Hidden),
    p("signInSessionsValidFromDateTime", Instant, FixedHidden),
    p("state", Text(128), Hidden),
    p("streetAddress", Text(1024), Hidden),
    p("usageLocation", Text(2), Hidden),
    p("userType", Text(16), Hidden),
];

const GROUP: &[Property] = &[
    p("id", Text(36), Fixed),
    p("deletedDateTime", Instant, Fixed),
    p("classification", Text(256), Shown),
    p("createdDateTime", Instant, Fixed),
    p("description", Text(1024), Shown),
    p("displayName", Text(256), Shown),
    p("expirationDateTime", Instant, Fixed),
    p("groupTypes", Texts, Shown),
    p("isAssignableToRole", Bool, Shown),
    p("mail", Text(256), Fixed),
    p("mailEnabled", Bool, Shown),
    p("mailNickname", Text(64), Shown),
    p("membershipRule", Text(3072), Shown),
    p("membershipRuleProcessingState", Text(16), Shown),
    p("onPremisesLastSyncDateTime", Instant, Fixed),
    p("onPremisesSecurityIdentifier", Text(256), Fixed),
    p("onPremisesSyncEnabled", Bool, Fixed),
    p("preferredDataLocation", Text(32), Shown),
    p("preferredLanguage", Text(32), Shown),
    p("proxyAddresses", Texts, Fixed),
    p("renewedDateTime", Instant, Fixed),
    p("securityEnabled", Bool, Shown),
    p("securityIdentifier", Text(256), Fixed),
    p("theme", Text(32), Shown),
    p("uniqueName", Text(128), Shown),
    p("visibility", Text(32), Shown),
    p("assignedLicenses", Complexes, FixedHidden),
    p("hasMembersWithLicenseErrors", Bool, FixedHidden),
    p("licenseProcessingState", Complex, FixedHidden),
];

impl Kind {
    const ALL: [Self; 4] = [Self::User, Self::Group, Self::Application, Self::ServicePrincipal];

    pub(crate) fn properties(self) -> &'static [Property] {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
            Self::Application => applications::PROPERTIES,
            Self::ServicePrincipal => service_principals::PROPERTIES,
        }
    }

    /// The property of that name, without regard to case.
    pub(crate) fn property(self, name: &str) -> Option<&'static Property> {
        self.properties()
            .iter()
            .find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// The same, or the refusal for a part of a query that names a property which is not there.
    pub(crate) fn queried(self, part: &str, name: &str) -> Result<&'static Property, Fail> {
        self.property(name)
            .ok_or_else(|| no_property(part, name, self.odata_type()))
    }

    pub(crate) fn odata_type(self) -> &'static str {
        match self {
            Self::User => "microsoft.graph.user",
            Self::Group => "microsoft.graph.group",
            Self::Application => "microsoft.graph.application",
            Self::ServicePrincipal => "microsoft.graph.servicePrincipal",
        }
    }

    /// As error messages name it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Application => "Application",
            Self::ServicePrincipal => "ServicePrincipal",
        }
    }

    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
        }
    }

    /// The kind that the collection of that name holds.
    pub(crate) fn listed(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.segment() == segment)
    }

    /// The kind that a cast segment names: `microsoft.graph.user`, `graph.user`.
    pub(crate) fn cast(segment: &str) -> Option<Self> {
        let name = segment
            .strip_prefix("microsoft.")
            .unwrap_or(segment)
            .strip_prefix("graph.")?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.odata_type().strip_prefix("microsoft.graph.") == Some(name))
    }

    /// Checks one property of a write.
    ///
    /// # Errors
    /// `RequestBodyRead` for an unknown name or a wrong type, `Request_BadRequest` for what is read-only,
    /// empty or too long.
    pub(crate) fn writable(self, name: &str, value: &Value) -> Result<&'static Property, Fail> {
        let property = self.properties().iter().find(|property| property.name == name).ok_or_else(|| {
            let message = format!(
                "The property '{name}' does not exist on type '{}'. Make sure to only use property names that \
                 are defined by the type or mark the type as open type.",
                self.odata_type()
            );
            Fail::new(400, "RequestBodyRead", message)
        })?;
        if matches!(property.access, Fixed | FixedHidden) {
            return Err(Fail::bad(format!(
                "Property '{name}' is read-only and cannot be set."
            )));
        }
        property.accept(value, self.title())?;
        Ok(property)
    }
}

/// The refusal for a query that names a property which is not there.
pub(crate) fn no_property(part: &str, name: &str, odata_type: &str) -> Fail {
    Fail::syntax(format!(
        "{part}: Could not find a property named '{name}' on type '{odata_type}'."
    ))
}

/// How refusals of `$select` and `$expand` begin.
pub(crate) const SELECT: &str = "Parsing OData Select and Expand failed";
/// How refusals of `$filter` begin.
pub(crate) const FILTER: &str = "Invalid filter clause";
/// How refusals of `$orderby` begin.
pub(crate) const ORDER: &str = "Invalid orderby clause";

impl Property {
    pub(crate) fn shown(&self) -> bool {
        matches!(self.access, Shown | Fixed)
    }

    /// What stands in a reply where nothing is stored.
    pub(crate) fn absent(&self) -> Value {
        match self.edm {
            Texts | Complexes => Value::Array(Vec::new()),
            _ => Value::Null,
        }
    }

    fn accept(&self, value: &Value, resource: &str) -> Result<(), Fail> {
        let name = self.name;
        let fits = match (self.edm, value) {
            (Text(longest), Value::String(text)) => {
                if text.trim().is_empty() || text.chars().count() > longest {
                    return Err(Fail::invalid(name, resource));
                }
                true
            }
            (_, Value::Null)
            | (Bool, Value::Bool(_))
            | (Complex, Value::Object(_))
            | (Complexes, Value::Array(_)) => true,
            (Instant, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            (Texts, Value::Array(items)) => items.iter().all(Value::is_string),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let kind = match self.edm {
            Bool => "Edm.Boolean",
            Instant => "Edm.DateTimeOffset",
            Text(_) => "Edm.String",
            Texts => "Collection(Edm.String)",
            Complex | Complexes => "a complex value",
        };
        Err(Fail::new(
            400,
            "RequestBodyRead",
            format!("Cannot convert the value of property '{name}' to the expected type '{kind}'."),
        ))
    }
}
