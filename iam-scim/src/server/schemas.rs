//! The tables of RFC 7643: common attributes (section 3.1), User (4.1), Group (4.2) and the enterprise extension
//! (4.3).

use super::schema::{Attribute, Mutability, Returned, Schema, Type};

const fn attribute(name: &'static str, kind: Type, description: &'static str) -> Attribute {
    Attribute {
        name,
        description,
        kind,
        multi: false,
        required: false,
        case_exact: matches!(kind, Type::Binary | Type::Reference | Type::DateTime),
        unique: false,
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        canonical: &[],
        references: &[],
        subs: &[],
    }
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::String, description)
}

const fn flag(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::Boolean, description)
}

const fn link(name: &'static str, to: &'static [&'static str], description: &'static str) -> Attribute {
    let mut out = attribute(name, Type::Reference, description);
    out.references = to;
    out
}

const fn complex(name: &'static str, subs: &'static [Attribute], description: &'static str) -> Attribute {
    let mut out = attribute(name, Type::Complex, description);
    out.subs = subs;
    out
}

impl Attribute {
    const fn many(mut self) -> Self {
        self.multi = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    const fn always(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn secret(mut self) -> Self {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self
    }

    const fn one_of(mut self, canonical: &'static [&'static str]) -> Self {
        self.canonical = canonical;
        self
    }
}

/// The sub-attributes of RFC 7643 section 2.4, around the given `value`.
macro_rules! plural {
    ($value:expr, $types:expr) => {
        &[
            $value,
            text("display", "A name for display."),
            text("type", "What the value is for.").one_of($types),
            flag("primary", "Whether this is the preferred value. At most one is."),
        ]
    };
}

pub(crate) static COMMON: [Attribute; 4] = [
    link("schemas", &["uri"], "The schemas that the resource uses.")
        .many()
        .required()
        .always(),
    text("id", "The service provider's identifier.")
        .read_only()
        .exact()
        .always(),
    text("externalId", "The provisioning client's identifier.").exact(),
    complex(
        "meta",
        &[
            text("resourceType", "The resource type's name.")
                .exact()
                .read_only(),
            attribute("created", Type::DateTime, "When the resource was added.").read_only(),
            attribute("lastModified", Type::DateTime, "When it last changed.").read_only(),
            link("location", &["uri"], "The resource's URL.").read_only(),
            text("version", "The entity tag.").exact().read_only(),
        ],
        "What the service provider notes about the resource.",
    )
    .read_only(),
];

pub(crate) static USER: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "User account",
    attributes: &[
        text(
            "userName",
            "The name to sign in with, unique among users whatever its case.",
        )
        .required()
        .unique(),
        complex(
            "name",
            &[
                text("formatted", "The full name for display."),
                text("familyName", "The family name."),
                text("givenName", "The given name."),
                text("middleName", "The middle names."),
                text("honorificPrefix", "A title such as Dr."),
                text("honorificSuffix", "A suffix such as III."),
            ],
            "The parts of the name.",
        ),
        text("displayName", "The name for display."),
        text("nickName", "The casual name."),
        link("profileUrl", &["external"], "The URL of an online profile."),
        text("title", "The job title."),
        text("userType", "The relation to the organization, such as Employee."),
        text(
            "preferredLanguage",
            "The preferred languages, as in Accept-Language.",
        ),
        text("locale", "The locale for dates, numbers and currency."),
        text("timezone", "The IANA time zone."),
        flag("active", "Whether the account can be used."),
        text(
            "password",
            "Accepted and not kept: this service provider signs nobody in.",
        )
        .exact()
        .secret(),
        complex(
            "emails",
            plural!(text("value", "The address."), &["work", "home", "other"]),
            "Mail addresses.",
        )
        .many(),
        complex(
            "phoneNumbers",
            plural!(
                text("value", "The number."),
                &["work", "home", "mobile", "fax", "pager", "other"]
            ),
            "Telephone numbers.",
        )
        .many(),
        complex(
            "ims",
            plural!(
                text("value", "The address."),
                &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]
            ),
            "Instant messaging addresses.",
        )
        .many(),
        complex(
            "photos",
            plural!(
                link("value", &["external"], "The URL of the picture."),
                &["photo", "thumbnail"]
            ),
            "Pictures.",
        )
        .many(),
        complex(
            "addresses",
            &[
                text("formatted", "The address for display."),
                text("streetAddress", "Street and house number."),
                text("locality", "The city."),
                text("region", "The state or region."),
                text("postalCode", "The postal code."),
                text("country", "The country, ISO 3166-1 alpha-2."),
                text("type", "What the address is for.").one_of(&["work", "home", "other"]),
                flag(
                    "primary",
                    "Whether this is the preferred address. At most one is.",
                ),
            ],
            "Postal addresses.",
        )
        .many(),
        complex(
            "groups",
            &[
                text("value", "The group's id.").exact().read_only(),
                link("$ref", &["Group"], "The group's URL.").read_only(),
                text("display", "The group's name.").read_only(),
                text("type", "How the user is a member.")
                    .one_of(&["direct", "indirect"])
                    .read_only(),
            ],
            "The groups that the user is a member of, changed through the groups.",
        )
        .many()
        .read_only(),
        complex(
            "entitlements",
            plural!(text("value", "The entitlement."), &[]),
            "What the user may use.",
        )
        .many(),
        complex(
            "roles",
            plural!(text("value", "The role."), &[]),
            "The user's roles.",
        )
        .many(),
        complex(
            "x509Certificates",
            plural!(
                attribute("value", Type::Binary, "The DER certificate in base64."),
                &[]
            ),
            "Certificates.",
        )
        .many(),
    ],
};

pub(crate) static GROUP: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "Group",
    attributes: &[
        text(
            "displayName",
            "The group's name, unique among groups whatever its case.",
        )
        .required()
        .unique(),
        complex(
            "members",
            &[
                text("value", "The member's id.").exact().immutable(),
                link("$ref", &["User", "Group"], "The member's URL.").immutable(),
                text("type", "What the member is.")
                    .one_of(&["User", "Group"])
                    .immutable(),
                text("display", "The member's name."),
            ],
            "The group's members.",
        )
        .many(),
    ],
};

pub(crate) static ENTERPRISE: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "Enterprise User",
    attributes: &[
        text("employeeNumber", "The worker's number.").exact(),
        text("costCenter", "The cost center."),
        text("organization", "The organization."),
        text("division", "The division."),
        text("department", "The department."),
        complex(
            "manager",
            &[
                text("value", "The manager's id.").exact(),
                link("$ref", &["User"], "The manager's URL."),
                text("displayName", "The manager's name.").read_only(),
            ],
            "The user's manager.",
        ),
    ],
};
