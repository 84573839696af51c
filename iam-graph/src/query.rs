//! [`Query`]: which objects of a collection, in which order, with which of their properties.
//!
//! It knows the rules of Microsoft Entra ID's directory objects. What only an *advanced query* answers is sent as one
//! (`ConsistencyLevel: eventual` and `$count=true`), and what no query answers is refused before it is sent. Nothing
//! here does I/O.
//!
//! Source: Microsoft Learn, "Advanced query capabilities on Microsoft Entra ID objects", "Use query parameters to
//! customize responses", "Use the $filter query parameter".

use std::fmt;

use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};

use crate::client::Root;
use crate::filter::{invalid, property};
use crate::odata::{self, CLAUSES};

pub use crate::filter::{ELEMENT, Filter, Literal, Search};

/// The longest page of directory objects.
const LONGEST_PAGE: u32 = 999;
/// The longest URL of an advanced query.
const LONGEST_URL: usize = 2_048;
/// Collections of directory objects.
const DIRECTORY: [&str; 11] = [
    "users",
    "groups",
    "applications",
    "servicePrincipals",
    "devices",
    "contacts",
    "directoryObjects",
    "directory",
    "oauth2PermissionGrants",
    "administrativeUnits",
    "me",
];
/// Relations of a directory object to directory objects.
const RELATIONS: [&str; 17] = [
    "members",
    "transitiveMembers",
    "memberOf",
    "transitiveMemberOf",
    "owners",
    "ownedObjects",
    "createdObjects",
    "ownedDevices",
    "registeredDevices",
    "registeredUsers",
    "registeredOwners",
    "directReports",
    "transitiveReports",
    "appRoleAssignments",
    "appRoleAssignedTo",
    "oauth2PermissionGrants",
    "administrativeUnits",
];

/// Query options of a request for a collection. `Debug` leaves values out.
///
/// ```
/// use iam_graph::query::{Filter, Query};
///
/// let query = Query::new()
///     .select(["id", "displayName"])
///     .filter(Filter::ne("companyName", "Contoso"))
///     .top(50);
/// assert!(query.is_advanced("/users"));
/// assert_eq!(
///     query.path("/users").unwrap(),
///     "/users?$select=id,displayName&$count=true&$top=50&$filter=companyName%20ne%20%27Contoso%27"
/// );
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Query {
    select: Vec<String>,
    filter: Option<Filter>,
    search: Option<Search>,
    expand: Vec<Expand>,
    order: Vec<String>,
    top: Option<u32>,
    count: bool,
    advanced: Option<bool>,
    options: Vec<(String, String)>,
}

#[derive(Clone, PartialEq)]
struct Expand {
    relation: String,
    select: Vec<String>,
}

/// What a collection answers as an advanced query only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collection {
    /// Users, groups and so on.
    Objects {
        /// They are sorted by these properties in plain queries too.
        sorted_by: &'static [&'static str],
    },
    /// Members, owners, deleted objects: every filter, order and cast.
    Related {
        /// The path ends in a type, on a transitive relation.
        cast: bool,
    },
    /// No directory objects.
    Other,
}

impl Query {
    /// Everything, in Graph's own order, with the properties that Graph shows of its own accord, or those that the
    /// type it is read as names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these properties (`$select`). May be called again.
    #[must_use]
    pub fn select<S: Into<String>>(mut self, properties: impl IntoIterator<Item = S>) -> Self {
        self.select.extend(properties.into_iter().map(Into::into));
        self
    }

    /// Only objects like this (`$filter`). Called again, both must hold.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(before) => before.and(filter),
            None => filter,
        });
        self
    }

    /// Only objects with these words (`$search`): an advanced query.
    #[must_use]
    pub fn search(mut self, search: Search) -> Self {
        self.search = Some(search);
        self
    }

    /// Also what an object is related to (`$expand`), with these properties of it, or with those that Graph shows.
    /// Not in advanced queries. May be called again.
    #[must_use]
    pub fn expand<S: Into<String>>(mut self, relation: &str, select: impl IntoIterator<Item = S>) -> Self {
        let select = select.into_iter().map(Into::into).collect();
        self.expand.push(Expand {
            relation: relation.to_owned(),
            select,
        });
        self
    }

    /// By this property, from small to large (`$orderby`), after those named before.
    #[must_use]
    pub fn order_by(mut self, property: &str) -> Self {
        self.order.push(property.to_owned());
        self
    }

    /// By this property, from large to small.
    #[must_use]
    pub fn order_by_descending(mut self, property: &str) -> Self {
        self.order.push(format!("{property} desc"));
        self
    }

    /// So many objects on a page (`$top`): 1 to 999. All pages are read nevertheless.
    #[must_use]
    pub fn top(mut self, objects: u32) -> Self {
        self.top = Some(objects);
        self
    }

    /// Also how many there are in all (`$count`): an advanced query. The first page says it.
    #[must_use]
    pub fn count(mut self) -> Self {
        self.count = true;
        self
    }

    /// Sends an advanced query (or a plain one), whatever the rules say: for properties and collections that they do
    /// not know.
    #[must_use]
    pub fn advanced(mut self, yes: bool) -> Self {
        self.advanced = Some(yes);
        self
    }

    /// An option of your own, for example `("$skip", "5")`. The value is percent-encoded.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether `collection` (`/users`) answers it as an advanced query only: with the header
    /// `ConsistencyLevel: eventual`, which has to come with every page.
    pub fn is_advanced(&self, collection: &str) -> bool {
        self.advanced.unwrap_or_else(|| {
            let filtered = self.filter.is_some() || self.search.is_some();
            let ordered = !self.order.is_empty();
            match kind(collection) {
                Collection::Other => false,
                Collection::Related { cast } => filtered || ordered || self.count || cast,
                Collection::Objects { sorted_by } => {
                    let plain_order =
                        |property: &String| sorted_by.contains(&property.trim_end_matches(" desc"));
                    self.count
                        || self.search.is_some()
                        || self.filter.as_ref().is_some_and(Filter::is_advanced)
                        || (ordered && (filtered || !self.order.iter().all(plain_order)))
                }
            }
        })
    }

    /// The path of `collection` with these options, percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what Graph refuses: a page of 0 or more than 999 objects, more than 15
    /// alternatives in a plain query, an advanced query with `$expand` or of more than 2,048 characters, an empty
    /// list, filter or search, `endsWith` for a property that has none, and a name of a property that cannot be one.
    pub fn path(&self, collection: &str) -> Result<String> {
        self.check(collection)?;
        let advanced = self.is_advanced(collection);
        let expand: Vec<String> = self.expand.iter().map(Expand::text).collect();
        let list = |parts: &[String]| (!parts.is_empty()).then(|| parts.join(","));
        // A search needs the header only, and is counted where that was asked for.
        let count = self.count
            || (advanced && (self.filter.is_some() || !self.order.is_empty() || self.search.is_none()));
        let known = [
            ("$select", list(&self.select)),
            ("$count", count.then(|| "true".to_owned())),
            ("$top", self.top.map(|top| top.to_string())),
            ("$expand", list(&expand)),
            ("$filter", self.filter.as_ref().map(ToString::to_string)),
            ("$search", self.search.as_ref().map(ToString::to_string)),
            ("$orderby", list(&self.order)),
        ];
        let known = known
            .iter()
            .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let own = self
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let path = odata::query(collection, &known.chain(own).collect::<Vec<_>>());
        if advanced && path.len() > LONGEST_URL {
            let message = format!(
                "an advanced query is longer than {LONGEST_URL} characters: ask for fewer values at once"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(path)
    }

    fn check(&self, collection: &str) -> Result<()> {
        if collection.contains(['?', '#']) {
            return Err(invalid(
                "the path of a collection holds query options: give them by the query",
            ));
        }
        if let Some(top) = self.top.filter(|top| !(1..=LONGEST_PAGE).contains(top)) {
            let message =
                format!("a page of {top} objects: 1 to {LONGEST_PAGE} are possible, and all pages are read");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.filter.as_ref().map_or(Ok(()), Filter::check)?;
        self.search.as_ref().map_or(Ok(()), Search::check)?;
        let orders = self.order.iter().map(|order| order.trim_end_matches(" desc"));
        let expanded = self
            .expand
            .iter()
            .flat_map(|expand| expand.select.iter().chain([&expand.relation]).map(String::as_str));
        self.select
            .iter()
            .map(String::as_str)
            .chain(orders)
            .chain(expanded)
            .try_for_each(property)?;
        let advanced = self.is_advanced(collection);
        if advanced && !self.expand.is_empty() {
            return Err(invalid(
                "the query needs Graph's advanced query capabilities, which have no $expand: read the related objects by themselves",
            ));
        }
        let alternatives = self.filter.as_ref().map_or(0, Filter::alternatives);
        if alternatives > CLAUSES && !advanced && kind(collection) != Collection::Other {
            let message = format!(
                "a filter names {alternatives} alternatives: Graph takes {CLAUSES} in a plain query, so ask several times, or with `advanced(true)`"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    /// The same, with these properties where none are named.
    pub(crate) fn or_select(self, properties: &str) -> Self {
        if self.select.is_empty() {
            self.select(properties.split(',').filter(|name| !name.is_empty()))
        } else {
            self
        }
    }

    /// The same, with these properties where none are named, and full pages where no size is.
    pub(crate) fn or_default(self, properties: &str) -> Self {
        let top = self.top.or(Some(LONGEST_PAGE));
        Self {
            top,
            ..self.or_select(properties)
        }
    }
}

impl Expand {
    fn text(&self) -> String {
        if self.select.is_empty() {
            return self.relation.clone();
        }
        format!("{}($select={})", self.relation, self.select.join(","))
    }
}

/// What is known of a collection, from its path.
fn kind(collection: &str) -> Collection {
    let path = collection.split('?').next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let mut segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !matches!(*segment, "" | "v1.0" | "beta"))
        .collect();
    let cast = segments
        .last()
        .is_some_and(|last| last.starts_with("microsoft.graph."));
    if cast {
        segments.pop();
    }
    match segments.as_slice() {
        ["users"] => Collection::Objects {
            sorted_by: &["displayName", "userPrincipalName"],
        },
        ["groups"] => Collection::Objects {
            sorted_by: &["displayName"],
        },
        [first] | [first, "$count"] if DIRECTORY.contains(first) => Collection::Objects { sorted_by: &[] },
        ["directory", "deletedItems"] => Collection::Related { cast: false },
        [first, .., relation] if DIRECTORY.contains(first) && RELATIONS.contains(relation) => {
            Collection::Related {
                cast: cast && relation.starts_with("transitive"),
            }
        }
        _ => Collection::Other,
    }
}

impl Root {
    /// A request for the first page of a collection.
    pub(crate) fn list(&self, collection: &str, query: &Query, operation: &'static str) -> Result<Request> {
        let path = query
            .path(collection)
            .map_err(|error| error.with_operation(operation))?;
        let request = self.request(Method::Get, &path, operation);
        Ok(if query.is_advanced(collection) {
            request.header("ConsistencyLevel", "eventual")
        } else {
            request
        })
    }

    /// A request for the number of objects: always an advanced query, whose header is all that it needs.
    pub(crate) fn count(&self, collection: &str, query: &Query, operation: &'static str) -> Result<Request> {
        let path = format!("{collection}/$count");
        let path = query
            .clone()
            .advanced(false)
            .path(&path)
            .map_err(|error| error.with_operation(operation))?;
        let request = self.request(Method::Get, &path, operation);
        Ok(request.header("ConsistencyLevel", "eventual"))
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("select", &self.select)
            .field("filter", &self.filter)
            .field("search", &self.search)
            .field("order", &self.order)
            .field("top", &self.top)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::Value;

    fn decoded(path: &str) -> String {
        percent_encoding::percent_decode_str(path)
            .decode_utf8()
            .unwrap()
            .into_owned()
    }

    #[test]
    fn options_are_written_and_values_stay_in_their_quotes() {
        let now = "2026-10-12T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        for (filter, text) in [
            (
                Filter::eq("displayName", "O'Neil & Söhne #1+1"),
                "displayName eq 'O''Neil & Söhne #1+1'",
            ),
            (Filter::eq("x", "') or ('1' eq '1"), "x eq ''') or (''1'' eq ''1'"),
            (Filter::eq("accountEnabled", true), "accountEnabled eq true"),
            (Filter::eq("mail", Literal::NULL), "mail eq null"),
            (
                Filter::ge("createdDateTime", now),
                "createdDateTime ge 2026-10-12T00:00:00Z",
            ),
            (
                Filter::gt("a/b", 7).and(Filter::lt("a/b", 9_i64)),
                "a/b gt 7 and a/b lt 9",
            ),
            (Filter::one_of("id", ["a", "b'"]), "id in ('a','b''')"),
            (
                Filter::eq("a", 1).or(Filter::le("b", 2)).and(Filter::ne("c", 3)),
                "(a eq 1 or b le 2) and c ne 3",
            ),
            (
                Filter::eq("a", 1).and(Filter::eq("b", 2)).or(Filter::eq("c", 3)),
                "a eq 1 and b eq 2 or c eq 3",
            ),
            (
                Filter::raw("a eq 1 or b eq 2").and(Filter::eq("c", 3)),
                "(a eq 1 or b eq 2) and c eq 3",
            ),
            (Filter::raw("a eq 1 or b eq 2").not(), "not(a eq 1 or b eq 2)"),
            (
                Filter::count_eq("assignedLicenses", 0),
                "assignedLicenses/$count eq 0",
            ),
            (Filter::any_at_all("otherMails"), "otherMails/any()"),
            (
                Filter::any(
                    "assignedLicenses",
                    Filter::eq("skuId", Literal::guid("05e9a617-0261-4cee-bb44-138d3ef5d965")),
                ),
                "assignedLicenses/any(x:x/skuId eq 05e9a617-0261-4cee-bb44-138d3ef5d965)",
            ),
            (
                Filter::any("a", Filter::any("b", Filter::ends_with(ELEMENT, "c"))),
                "a/any(x:x/b/any(y:endsWith(y,'c')))",
            ),
        ] {
            assert_eq!(filter.to_string(), text);
            let path = Query::new().filter(filter).path("/things").unwrap();
            let value = path.strip_prefix("/things?$filter=").unwrap();
            assert!(!value.contains(['&', '#', '+', ' ', '\'', '"']), "{value}");
            assert_eq!(decoded(value), text);
        }
        let search = Search::new("displayName", r#"a "b" \ & c"#)
            .or(Search::new("mail", "d").and(Search::new("mail", "e")));
        let path = Query::new().search(search).path("/users").unwrap();
        assert!(!path.contains(['(', '"', '&', ' ']), "{path}");
        assert_eq!(
            decoded(&path),
            r#"/users?$search="displayName:a \"b\" \\ & c" OR ("mail:d" AND "mail:e")"#
        );
    }

    #[test]
    fn what_only_advanced_queries_answer_is_sent_as_one() {
        let filter = |filter: Filter| Query::new().filter(filter);
        let id = || Filter::eq("id", "1");
        for (query, path, expect) in [
            (Query::new(), "/users", false),
            (filter(id()), "/users", false),
            (filter(Filter::one_of("employeeId", ["1"])), "/users", false),
            (filter(Filter::starts_with("displayName", "A")), "/users", false),
            (
                filter(Filter::any("proxyAddresses", Filter::eq(ELEMENT, "smtp:a"))),
                "/users",
                false,
            ),
            (
                filter(Filter::raw("displayName eq 'not ne endsWith'")),
                "/users",
                false,
            ),
            (Query::new().order_by("displayName").top(5), "/users", false),
            (
                Query::new().order_by_descending("userPrincipalName"),
                "/users",
                false,
            ),
            (Query::new(), "/groups/1/members", false),
            (Query::new(), "/groups/1/members/microsoft.graph.user", false),
            (
                filter(Filter::ne("createdDateTime", "x")),
                "/auditLogs/directoryAudits",
                false,
            ),
            (Query::new().count(), "/users/1/messages", false),
            (filter(Filter::ne("id", "1")).advanced(false), "/users", false),
            (filter(Filter::ne("id", "1")), "/users", true),
            (filter(id().not()), "/users", true),
            (filter(Filter::ends_with("mail", "x")), "/users", true),
            (
                filter(Filter::any("otherMails", Filter::ends_with(ELEMENT, "x"))),
                "/users",
                true,
            ),
            (filter(Filter::count_ne("assignedLicenses", 0)), "/users", true),
            (filter(Filter::eq("department", Literal::NULL)), "/users", true),
            (filter(Filter::eq("employeeType", "Contractor")), "/users", true),
            (
                filter(Filter::eq("employeeOrgData/costCenter", "1")),
                "/users",
                true,
            ),
            (filter(Filter::starts_with("mobilePhone", "+61")), "/users", true),
            (filter(Filter::ge("employeeId", "W")), "/users", true),
            (filter(Filter::one_of("createdDateTime", ["x"])), "/users", true),
            (
                filter(Filter::raw("NOT startsWith(displayName,'A')")),
                "/users",
                true,
            ),
            (filter(Filter::raw("companyName eq 'x'")), "/users", true),
            (filter(id()).order_by("displayName"), "/users", true),
            (Query::new().order_by("createdDateTime"), "/users", true),
            (Query::new().order_by("userPrincipalName"), "/groups", true),
            (Query::new().order_by("displayName"), "/applications", true),
            (Query::new().count(), "/servicePrincipals", true),
            (
                Query::new().search(Search::new("displayName", "a")),
                "/groups",
                true,
            ),
            (filter(id()), "/groups/1/members", true),
            (filter(id()), "/directory/deletedItems/microsoft.graph.user", true),
            (
                Query::new(),
                "/users/1/transitiveMemberOf/microsoft.graph.group",
                true,
            ),
            (filter(id()).advanced(true), "/users", true),
            (
                Query::new().count(),
                "https://graph.microsoft.com/beta/users",
                true,
            ),
        ] {
            assert_eq!(query.is_advanced(path), expect, "{path} {:?}", query.path(path));
            let request = root().list(path, &query, "list").unwrap();
            let header = request
                .headers
                .iter()
                .any(|(name, value)| (name.as_str(), value.as_str()) == ("ConsistencyLevel", "eventual"));
            assert_eq!(header, expect, "{path} {:?}", query.path(path));
            // "except for $search, use the $count query parameter"
            let counted = request.url.contains("$count=true");
            let searched = query.search.is_some();
            assert!(counted == (expect && !searched || query.count), "{}", request.url);
        }
    }

    #[test]
    fn what_graph_refuses_is_refused_early() {
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let plain = |count| Query::new().filter(Filter::one_of("employeeId", many(count)));
        let refused = |query: Query, path: &str, why: &str| {
            let error = query.path(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(why), "{error}");
        };
        assert!(plain(15).path("/users").is_ok());
        assert!(plain(16).advanced(true).path("/users").is_ok());
        assert!(plain(16).path("/auditLogs/signIns").is_ok());
        refused(plain(16), "/users", "16 alternatives");
        let either = Filter::either(many(16).iter().map(|id| Filter::eq("id", id)));
        refused(Query::new().filter(either), "/users", "16 alternatives");
        refused(plain(900).advanced(true), "/users", "2048 characters");
        refused(Query::new(), "/users?$top=5", "holds query options");
        refused(Query::new().top(0), "/users", "a page of 0");
        refused(Query::new().top(1_000), "/users", "a page of 1000");
        assert!(Query::new().top(999).path("/users").is_ok());
        let expanded = Query::new().expand("manager", ["id"]);
        assert_eq!(
            expanded.path("/users").unwrap(),
            "/users?$expand=manager($select=id)"
        );
        refused(expanded.filter(Filter::ne("id", "1")), "/users", "$expand");
        refused(plain(0), "/users", "empty");
        refused(Query::new().filter(Filter::all([])), "/users", "no parts");
        refused(Query::new().filter(Filter::raw(" ")), "/users", "empty");
        refused(
            Query::new().filter(Filter::ends_with("displayName", "x")),
            "/users",
            "endsWith",
        );
        refused(
            Query::new().filter(Filter::eq("id", Literal::guid("1 or 1 eq 1"))),
            "/users",
            "GUID",
        );
        refused(
            Query::new().search(Search::new("displayName", " ")),
            "/users",
            "no words",
        );
        for name in ["", "a b", "a'", "a&$top=1", "a,b", "1a", ELEMENT] {
            refused(Query::new().select([name]), "/users", "property");
            refused(Query::new().order_by(name), "/users", "property");
            refused(Query::new().filter(Filter::eq(name, 1)), "/users", "property");
            refused(Query::new().search(Search::new(name, "x")), "/users", "property");
            refused(Query::new().expand(name, ["id"]), "/users", "property");
        }
    }

    #[test]
    fn a_request_has_all_options_and_debug_no_values() {
        let query = Query::new()
            .select(["id"])
            .filter(Filter::eq("city", "Perth"))
            .filter(Filter::eq("surname", "Li"))
            .order_by("city")
            .order_by_descending("surname")
            .top(10)
            .option("$skip", "a b");
        let path = "/users?$select=id&$count=true&$top=10&$filter=city%20eq%20%27Perth%27%20and%20surname%20eq%20%27Li%27&$orderby=city,surname%20desc&$skip=a%20b";
        check(
            root().list("/users", &query, "list").unwrap(),
            "GET",
            path,
            Value::Null,
        );
        let counted = root()
            .count(
                "/users",
                &Query::new().filter(Filter::ne("city", "Perth")),
                "count",
            )
            .unwrap();
        assert_eq!(
            counted.headers,
            [("ConsistencyLevel".to_owned(), "eventual".to_owned())]
        );
        check(
            counted,
            "GET",
            "/users/$count?$filter=city%20ne%20%27Perth%27",
            Value::Null,
        );
        let text = format!("{query:?}");
        assert!(!text.contains("Perth") && text.contains("city"), "{text}");
    }
}
