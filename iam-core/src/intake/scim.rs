//! [`ScimIntake`]: SCIM 2.0 users (RFC 7643), alone, in lists, and in the bulk requests of Entra's API-driven
//! provisioning.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::BufRead;
use std::ops::ControlFlow;

use super::element::Element;
use super::encoding::Opened;
use super::fields::{Aside, Field};
use super::node::{self, Node, Object};
use super::raas::choose_key;
use super::row::{Flaw, Judge};
use super::values::{self, Fault};
use super::{Intake, Item, Paging, Summary};
use crate::error::Result;

/// The shape, for a message.
const SHAPE: &str = "a SCIM user, an array of users, a list response ({\"Resources\": [..]}) or a bulk request \
                     ({\"Operations\": [..]})";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Reads SCIM users record by record (at most 1 MiB each): one user, an array of them, a list response, or a bulk
/// request as Entra's `bulkUpload` takes it (`POST` to `/Users`). Names are matched in any letter case.
///
/// | field | attribute |
/// |---|---|
/// | key | `externalId`, else the enterprise extension's `employeeNumber`; as in reports, the first record decides which |
/// | names | `name.givenName`, `.middleName`, `.familyName`; a `displayName` of one word where both are missing; `nickName` is the preferred name |
/// | job | `title`, `userType`, enterprise `department`, `organization` (company), `costCenter` |
/// | manager | enterprise `manager.value`: the manager's key, as Entra takes it |
/// | place | `timezone`; `country` and `locality` of the work address, the primary one first |
/// | mail address | `emails`: `home` before `work` before others, the primary one of each first |
/// | status | `active`; see below |
///
/// Any other extension (`urn:…`) may have further fields by the names of the flat shape: `HireDate`, `LastDayOfWork`,
/// `TerminationDate`, `WorkerStatus` and so on, and fields above where the user has none. Other attributes are left
/// out.
///
/// `active` is never assumed: a user without it is refused. `false` is terminated only together with a last day, since
/// it may mean on leave or not yet hired. In a bulk request only `POST` to `/Users` is read, and no `bulkId` twice;
/// `DELETE` and `PATCH` are refused rather than guessed. `row` is the index in the array, from 1, and `field` a SCIM path.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{Intake, Item, ScimIntake};
///
/// let mut bulk = r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
///     {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"externalId": "701984", "active": true,
///      "name": {"givenName": "Barbara", "familyName": "Jensen"}, "title": "Tour Guide"}},
///     {"method": "POST", "path": "/Users", "bulkId": "2", "data": {"externalId": "701985",
///      "name": {"familyName": "Ng"}}}]}"#.as_bytes();
/// let mut said = Vec::new();
/// ScimIntake::new().read(&mut bulk, &mut |item| {
///     said.push(match item {
///         Item::Record(record) => format!("{} {:?}", record.person.key, record.person.job_title),
///         Item::Reject(reject) => format!("row {}, {}: {}", reject.row, reject.field, reject.code),
///         _ => String::new(),
///     });
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(said, [r#"701984 Some("Tour Guide")"#, "row 2, data.active: missing_status"]);
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ScimIntake {}

impl ScimIntake {
    /// The table above.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Intake::read`], of an input that was opened.
    pub(super) fn read_opened(
        input: Opened<'_>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let (mut judge, mut key, mut bulk_ids) = (Judge::default(), None, BulkIds::default());
        let around = node::each(input, &["Resources", "Operations"], SHAPE, &mut |row, node| {
            let mut element = Element::default();
            match user(&node, &mut bulk_ids) {
                Ok((user, path)) => describe(user, path, &mut element, &mut key),
                Err(flaw) => element.blame(flaw),
            }
            sink(element.judge(row, &mut judge))
        })?;
        let number = |name: &str| {
            around
                .get(name)
                .and_then(Node::text)
                .and_then(|text| text.parse().ok())
        };
        let pages = Paging {
            total_results: number("totalResults"),
            page_results: number("itemsPerPage"),
            page: number("startIndex"),
            total_pages: None,
        };
        judge.of_whole((pages != Paging::default()).then_some(pages), None);
        Ok(judge.summary())
    }
}

impl Intake for ScimIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        Self::read_opened(Opened::new(input)?, sink)
    }
}

/// The bulk ids of one request, as keyed hashes.
#[derive(Default)]
struct BulkIds {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl BulkIds {
    fn first_time(&mut self, id: &str) -> bool {
        self.seen.insert(self.hasher.hash_one(id))
    }
}

/// The user in a record, and the path to it: a resource is one, an operation has one.
fn user<'n>(node: &'n Node, bulk_ids: &mut BulkIds) -> std::result::Result<(&'n Object, &'static str), Flaw> {
    let Node::Object(object) = node else {
        return Err(Flaw::row(
            "wrong_type",
            format!("expected an object, found {}", node.kind()),
        ));
    };
    object.check("")?;
    let (user, path) = match object.get("method") {
        None => (object, ""),
        Some(method) => (operation(object, method, bulk_ids)?, "data."),
    };
    user.check(path)?;
    if let Some(Node::List(schemas)) = user.get("schemas") {
        let of_user = |schema: &Node| {
            schema
                .text()
                .is_some_and(|urn| urn.to_ascii_lowercase().ends_with(":user"))
        };
        if !schemas.is_empty() && !schemas.iter().any(of_user) {
            let fault = Fault::new("not_a_user", "expected the schema of a user, found others");
            return Err(Flaw::named(format!("{path}schemas"), fault));
        }
    }
    Ok((user, path))
}

fn operation<'n>(
    object: &'n Object,
    method: &Node,
    bulk_ids: &mut BulkIds,
) -> std::result::Result<&'n Object, Flaw> {
    let unsupported = |field: &str, expected: &str| {
        let message = format!("expected {expected}: nothing else says what a person is");
        Flaw::named(field, Fault::new("unsupported_operation", message))
    };
    if !method
        .text()
        .is_some_and(|method| method.eq_ignore_ascii_case("POST"))
    {
        return Err(unsupported("method", "POST"));
    }
    let path = object.get("path").and_then(Node::text).unwrap_or_default();
    if !path.trim_matches('/').eq_ignore_ascii_case("Users") {
        return Err(unsupported("path", "/Users"));
    }
    if let Some(id) = object.get("bulkId").and_then(Node::text)
        && !bulk_ids.first_time(id)
    {
        let fault = Fault::new("duplicate_bulk_id", "expected each bulkId once, found one again");
        return Err(Flaw::named("bulkId", fault));
    }
    match object.get("data") {
        Some(Node::Object(data)) => Ok(data),
        other => {
            let message = format!(
                "expected an object, found {}",
                other.map_or("nothing", Node::kind)
            );
            Err(Flaw::named("data", Fault::new("wrong_type", message)))
        }
    }
}

/// What a user's attributes say in the words of the flat shape.
fn describe(user: &Object, path: &str, element: &mut Element, key: &mut Option<(Aside, String)>) {
    let nothing = Object::default();
    let name = object(user, "name", path, element).unwrap_or(&nothing);
    let enterprise = object(user, ENTERPRISE, path, element).unwrap_or(&nothing);
    let urn = format!("{path}{ENTERPRISE}:");
    let manager = object(enterprise, "manager", &urn, element).unwrap_or(&nothing);
    let ids = [
        ("externalId", user, path),
        ("employeeNumber", enterprise, urn.as_str()),
    ];
    for (rank, (id, object, path)) in ids.into_iter().enumerate() {
        if let Some(text) = object.get(id).and_then(Node::text) {
            let aside = (Aside::WorkerId(rank), format!("{path}{id}"), text.to_owned());
            element.asides.push(aside);
        }
    }
    for (field, object, attribute, path) in [
        (Field::FirstName, name, "givenName", format!("{path}name.")),
        (Field::MiddleName, name, "middleName", format!("{path}name.")),
        (Field::LastName, name, "familyName", format!("{path}name.")),
        (Field::PreferredName, user, "nickName", path.to_owned()),
        (Field::JobTitle, user, "title", path.to_owned()),
        (Field::WorkerType, user, "userType", path.to_owned()),
        (Field::TimeZone, user, "timezone", path.to_owned()),
        (Field::IsActive, user, "active", path.to_owned()),
        (Field::Department, enterprise, "department", urn.clone()),
        (Field::Company, enterprise, "organization", urn.clone()),
        (Field::CostCenter, enterprise, "costCenter", urn.clone()),
        (Field::ManagerId, manager, "value", format!("{urn}manager.")),
    ] {
        tell(element, field, object.get(attribute), || {
            format!("{path}{attribute}")
        });
    }
    best_of(user, "emails", path, element, |element, email, at| {
        tell(element, Field::Email, email.get("value"), || {
            format!("{at}.value")
        });
    });
    extensions(user, path, element);
    element.spelling.learn(Field::Status, &format!("{path}active"));
    best_of(user, "addresses", path, element, |element, address, at| {
        tell(element, Field::Country, address.get("country"), || {
            format!("{at}.country")
        });
        tell(element, Field::Location, address.get("locality"), || {
            format!("{at}.locality")
        });
    });
    only_name(user, path, element);
    let mut asides = std::mem::take(&mut element.asides);
    asides.retain(|(.., text)| !text.trim().is_empty());
    choose_key(element, &asides, key);
    for (field, text) in &mut element.texts {
        if *field == Field::Country
            && let Some(code) = values::country_named(text.trim())
        {
            *text = code;
        }
    }
    let given = text_of(element, Field::FirstName).map(str::to_owned);
    let preferred = text_of(element, Field::PreferredName).map(str::to_owned);
    if given.is_some() && given == preferred {
        element.texts.retain(|(field, _)| *field != Field::PreferredName);
    }
}

fn text_of(element: &Element, field: Field) -> Option<&str> {
    let found = element.texts.iter().find(|(known, _)| *known == field);
    found.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
}

/// A complex attribute.
fn object<'n>(of: &'n Object, name: &str, path: &str, element: &mut Element) -> Option<&'n Object> {
    complex(of.get(name)?, name, path, element)
}

fn complex<'n>(node: &'n Node, name: &str, path: &str, element: &mut Element) -> Option<&'n Object> {
    match node {
        Node::Object(object) => {
            if let Err(flaw) = object.check(&format!("{path}{name}.")) {
                element.blame(flaw);
            }
            Some(object)
        }
        Node::Null => None,
        other => {
            let message = format!("expected an object, found {}", other.kind());
            element.blame(Flaw::named(
                format!("{path}{name}"),
                Fault::new("wrong_type", message),
            ));
            None
        }
    }
}

/// Takes a simple attribute, unless the field is known.
fn tell(element: &mut Element, field: Field, node: Option<&Node>, path: impl Fn() -> String) {
    let Some(node) = node.filter(|node| **node != Node::Null) else {
        return;
    };
    if text_of(element, field).is_some() {
        return;
    }
    let is_flag = field.is_flag();
    let text = match (node, is_flag) {
        (Node::Text(text) | Node::Number(text), _) => text.clone(),
        (Node::Flag(yes), true) => yes.to_string(),
        (other, _) => {
            let message = format!("expected a string or a whole number, found {}", other.kind());
            element.blame(Flaw::named(path(), Fault::new("wrong_type", message)));
            return;
        }
    };
    element.texts.retain(|(known, _)| *known != field);
    element.spelling.learn(field, &path());
    element.texts.push((field, text));
}

/// The element of a multi-valued attribute that says most: `home` mail and `work` addresses before others.
fn best_of(
    user: &Object,
    name: &str,
    path: &str,
    element: &mut Element,
    take: impl Fn(&mut Element, &Object, String),
) {
    let list = match user.get(name) {
        None | Some(Node::Null) => return,
        Some(Node::List(list)) => list,
        Some(other) => {
            let message = format!("expected an array, found {}", other.kind());
            element.blame(Flaw::named(
                format!("{path}{name}"),
                Fault::new("wrong_type", message),
            ));
            return;
        }
    };
    let order = if name == "emails" {
        ["home", "work"]
    } else {
        ["work", "other"]
    };
    let rank = |object: &Object| {
        let kind = object.get("type").and_then(Node::text).unwrap_or_default();
        let kind = order
            .iter()
            .position(|known| known.eq_ignore_ascii_case(kind))
            .unwrap_or(2);
        let primary = object.get("primary").and_then(Node::flag) == Some(true);
        (kind, !primary)
    };
    let objects = list.iter().enumerate().filter_map(|(at, node)| match node {
        Node::Object(object) => Some((at, object)),
        _ => None,
    });
    if let Some((at, object)) = objects.min_by_key(|(_, object)| rank(object)) {
        let at = format!("{path}{name}[{at}]");
        if let Err(flaw) = object.check(&format!("{at}.")) {
            element.blame(flaw);
        }
        take(element, object, at);
    }
}

/// Fields of other extensions, by the names of the flat shape. The last day of work comes before the end of employment.
fn extensions(user: &Object, path: &str, element: &mut Element) {
    let mut found = Vec::new();
    for (urn, node) in &user.entries {
        let is_other = urn
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
            && !urn.eq_ignore_ascii_case(ENTERPRISE);
        let Some(extension) = is_other.then(|| complex(node, urn, path, element)).flatten() else {
            continue;
        };
        for (name, node) in &extension.entries {
            if let Some(field) = Field::named(name).filter(|field| *field != Field::EmployeeId) {
                let later = field == Field::LastDay && !name.to_ascii_lowercase().contains("work");
                found.push((later, field, format!("{path}{urn}:{name}"), node));
            }
        }
    }
    found.sort_by_key(|(later, ..)| *later);
    for (_, field, path, node) in found {
        tell(element, field, Some(node), || path.clone());
    }
}

/// People with one name may have it in `displayName` only.
fn only_name(user: &Object, path: &str, element: &mut Element) {
    if text_of(element, Field::FirstName).is_some() || text_of(element, Field::LastName).is_some() {
        return;
    }
    let display = user.get("displayName").and_then(Node::text).unwrap_or_default();
    if display.split_whitespace().count() == 1 {
        tell(element, Field::FirstName, user.get("displayName"), || {
            format!("{path}displayName")
        });
    }
}
