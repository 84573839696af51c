//! The properties of directory objects: what may be written, what comes back without `$select`
//! ("user resource type", "group resource type"). Those of applications and service principals stand beside their routes.

use serde_json::{Map, Value};

use crate::errors::Fail;
use crate::{directory_roles, units};

/// The kinds of directory objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    User,
    Group,
    Application,
    ServicePrincipal,
    AdministrativeUnit,
    DirectoryRole,
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
    p("aboutMe", Text(4096), Hidden),
    p("accountEnabled", Bool, Hidden),
    p("ageGroup", Text(32), Hidden),
    p("assignedLicenses", Complexes, FixedHidden),
    p("assignedPlans", Complexes, FixedHidden),
    p("birthday", Instant, Hidden),
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
    p("externalUserStateChangeDateTime", Instant, FixedHidden),
    p("faxNumber", Text(64), Hidden),
    p("hireDate", Instant, Hidden),
    p("identities", Complexes, Hidden),
    p("imAddresses", Texts, FixedHidden),
    p("interests", Texts, Hidden),
    p("isManagementRestricted", Bool, FixedHidden),
    p("isResourceAccount", Bool, FixedHidden),
    p("lastPasswordChangeDateTime", Instant, FixedHidden),
    p("legalAgeGroupClassification", Text(64), FixedHidden),
    p("licenseAssignmentStates", Complexes, FixedHidden),
    p("mailNickname", Text(64), Hidden),
    p("mySite", Text(2048), Hidden),
    p("onPremisesDistinguishedName", Text(256), FixedHidden),
    p("onPremisesDomainName", Text(256), FixedHidden),
    p("onPremisesExtensionAttributes", Complex, Hidden),
    p("onPremisesImmutableId", Text(256), Hidden),
    p("onPremisesLastSyncDateTime", Instant, FixedHidden),
    p("onPremisesProvisioningErrors", Complexes, FixedHidden),
    p("onPremisesSamAccountName", Text(256), FixedHidden),
    p("onPremisesSecurityIdentifier", Text(256), FixedHidden),
    p("onPremisesSyncEnabled", Bool, FixedHidden),
    p("onPremisesUserPrincipalName", Text(256), FixedHidden),
    p("otherMails", Texts, Hidden),
    p("passwordPolicies", Text(64), Hidden),
    p("passwordProfile", Complex, WriteOnly),
    p("pastProjects", Texts, Hidden),
    p("postalCode", Text(40), Hidden),
    p("preferredDataLocation", Text(32), Hidden),
    p("preferredName", Text(256), Hidden),
    p("provisionedPlans", Complexes, FixedHidden),
    p("proxyAddresses", Texts, FixedHidden),
    p("refreshTokensValidFromDateTime", Instant, FixedHidden),
    p("responsibilities", Texts, Hidden),
    p("schools", Texts, Hidden),
    p("securityIdentifier", Text(256), FixedHidden),
    p("serviceProvisioningErrors", Complexes, FixedHidden),
    p("showInAddressList", Bool, Hidden),
    p("signInActivity", Complex, FixedHidden),
    p("signInSessionsValidFromDateTime", Instant, FixedHidden),
    p("skills", Texts, Hidden),
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
    p("onPremisesDomainName", Text(256), Fixed),
    p("onPremisesLastSyncDateTime", Instant, Fixed),
    p("onPremisesNetBiosName", Text(256), Fixed),
    p("onPremisesProvisioningErrors", Complexes, Fixed),
    p("onPremisesSamAccountName", Text(256), Fixed),
    p("onPremisesSecurityIdentifier", Text(256), Fixed),
    p("onPremisesSyncEnabled", Bool, Fixed),
    p("preferredDataLocation", Text(32), Shown),
    p("preferredLanguage", Text(32), Shown),
    p("proxyAddresses", Texts, Fixed),
    p("renewedDateTime", Instant, Fixed),
    p("resourceBehaviorOptions", Texts, Shown),
    p("resourceProvisioningOptions", Texts, Shown),
    p("securityEnabled", Bool, Shown),
    p("securityIdentifier", Text(256), Fixed),
    p("theme", Text(32), Shown),
    p("uniqueName", Text(128), Shown),
    p("visibility", Text(32), Shown),
    p("serviceProvisioningErrors", Complexes, Fixed),
    p("assignedLabels", Complexes, Hidden),
    p("assignedLicenses", Complexes, FixedHidden),
    p("infoCatalogs", Texts, FixedHidden),
    p("isManagementRestricted", Bool, FixedHidden),
    p("hasMembersWithLicenseErrors", Bool, FixedHidden),
    p("licenseProcessingState", Complex, FixedHidden),
];

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::User,
        Self::Group,
        Self::Application,
        Self::ServicePrincipal,
        Self::AdministrativeUnit,
        Self::DirectoryRole,
    ];

    /// The kind of a type's name, with the namespace or with its alias: `microsoft.graph.user`, `graph.user`.
    pub(crate) fn named(odata_type: &str) -> Option<Self> {
        let bare = odata_type.trim_start_matches('#');
        Self::ALL.into_iter().find(|kind| {
            let full = kind.odata_type();
            bare == full || Some(bare) == full.strip_prefix("microsoft.")
        })
    }

    /// What may be expanded.
    pub(crate) fn relations(self) -> &'static [&'static str] {
        match self {
            Self::User => &[
                "manager",
                "directReports",
                "memberOf",
                "transitiveMemberOf",
                "ownedObjects",
                "sponsors",
                "sponsorOf",
            ],
            Self::Group => &[
                "members",
                "memberOf",
                "owners",
                "transitiveMembers",
                "transitiveMemberOf",
            ],
            Self::Application => &["owners"],
            Self::ServicePrincipal => &[
                "memberOf",
                "transitiveMemberOf",
                "ownedObjects",
                "owners",
                "appRoleAssignments",
                "appRoleAssignedTo",
            ],
            Self::AdministrativeUnit | Self::DirectoryRole => &["members"],
        }
    }

    pub(crate) fn properties(self) -> &'static [Property] {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
            Self::Application => applications::PROPERTIES,
            Self::ServicePrincipal => service_principals::PROPERTIES,
            Self::AdministrativeUnit => units::PROPERTIES,
            Self::DirectoryRole => directory_roles::PROPERTIES,
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
            Self::AdministrativeUnit => "microsoft.graph.administrativeUnit",
            Self::DirectoryRole => "microsoft.graph.directoryRole",
        }
    }

    /// As error messages name it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Application => "Application",
            Self::ServicePrincipal => "ServicePrincipal",
            Self::AdministrativeUnit => "AdministrativeUnit",
            Self::DirectoryRole => "DirectoryRole",
        }
    }

    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
            Self::AdministrativeUnit => "directory/administrativeUnits",
            Self::DirectoryRole => "directoryRoles",
        }
    }

    /// The kind that the collection of that name holds, where its changes can be asked for.
    pub(crate) fn tracked(segments: &[&str]) -> Option<Self> {
        match segments {
            ["users"] => Some(Self::User),
            ["groups"] => Some(Self::Group),
            ["applications"] => Some(Self::Application),
            ["servicePrincipals"] => Some(Self::ServicePrincipal),
            ["directoryRoles"] => Some(Self::DirectoryRole),
            // The second one is of beta.
            ["directory", "administrativeUnits"] | ["administrativeUnits"] => Some(Self::AdministrativeUnit),
            _ => None,
        }
    }

    /// Checks one property of a write.
    ///
    /// # Errors
    /// `RequestBodyRead` for an unknown name or a wrong type, `Request_BadRequest` for what is read-only,
    /// empty or too long.
    pub(crate) fn writable(self, name: &str, value: &Value) -> Result<&'static Property, Fail> {
        let mut properties = self.properties().iter();
        let property = properties.find(|property| property.name == name);
        let property = property.ok_or_else(|| unknown(name, self.odata_type()))?;
        if matches!(property.access, Fixed | FixedHidden) {
            return Err(Fail::bad(format!(
                "Property '{name}' is read-only and cannot be set."
            )));
        }
        property.accept(value, self.title())?;
        Ok(property)
    }
}

/// The refusal of a body that names a property which is not there.
pub(crate) fn unknown(name: &str, odata_type: &str) -> Fail {
    let message = format!(
        "The property '{name}' does not exist on type '{odata_type}'. Make sure to only use property names that \
         are defined by the type or mark the type as open type."
    );
    Fail::new(400, "RequestBodyRead", message)
}

const EXTENSIONS: &str = "onPremisesExtensionAttributes";

/// The texts that a complex property consists of, where nothing else may stand in it.
fn fields(property: &str) -> Option<&'static [&'static str]> {
    match property {
        "employeeOrgData" => Some(&["costCenter", "division"]),
        EXTENSIONS => Some(&[
            "extensionAttribute1",
            "extensionAttribute2",
            "extensionAttribute3",
            "extensionAttribute4",
            "extensionAttribute5",
            "extensionAttribute6",
            "extensionAttribute7",
            "extensionAttribute8",
            "extensionAttribute9",
            "extensionAttribute10",
            "extensionAttribute11",
            "extensionAttribute12",
            "extensionAttribute13",
            "extensionAttribute14",
            "extensionAttribute15",
        ]),
        _ => None,
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
            // Not nullable.
            Bool if self.name == "appRoleAssignmentRequired" => Value::Bool(false),
            // Kept outside the directory, where an instant is never null.
            Instant if matches!(self.name, "birthday" | "hireDate") => "0001-01-01T00:00:00Z".into(),
            // "onPremisesExtensionAttributes resource type": all fifteen are there always.
            Complex if self.name == EXTENSIONS => {
                let names = fields(EXTENSIONS).unwrap_or_default().iter();
                names
                    .map(|name| ((*name).to_owned(), Value::Null))
                    .collect::<Map<_, _>>()
                    .into()
            }
            _ => Value::Null,
        }
    }

    fn accept(&self, value: &Value, resource: &str) -> Result<(), Fail> {
        let name = self.name;
        if let (Some(known), Value::Object(map)) = (fields(name), value) {
            for (field, value) in map {
                let text = Property {
                    name: known
                        .iter()
                        .find(|known| **known == field.as_str())
                        .ok_or_else(|| unknown(field, &format!("microsoft.graph.{name}")))?,
                    edm: Text(1024),
                    access: self.access,
                };
                text.accept(value, resource)?;
            }
        }
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
