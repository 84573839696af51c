//! `/users/delta`, `/groups/delta`, `/applications/delta`, `/servicePrincipals/delta`, `/directoryRoles/delta` and
//! `/directory/administrativeUnits/delta` ("Use delta query to track changes in Microsoft Graph data", "user: delta",
//! "group: delta", "application: delta", "directoryRole: delta", "administrativeUnit: delta").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::delta_changes::{Entry, changes, members};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::Expr;
use crate::schema::{Kind, SELECT};

/// Objects on one page.
const PAGE: usize = 100;
/// Members shown on one page; a larger group is repeated on the next one.
pub(crate) const MEMBERS: usize = 200;
/// "For directory objects the limit is seven days."
const LIFE: i64 = 7 * 24 * 3600;

/// Everything that a reader must know for the next request: what is in the opaque token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    kind: char,
    select: Vec<String>,
    ids: Option<Vec<String>>,
    issued: i64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Stage {
    /// All objects: behind that place, and that many of the next one's members. Changes count from `journal`.
    First {
        after: u64,
        members: usize,
        journal: usize,
    },
    /// Changes between two positions of the journal, without the first rows.
    Next { from: usize, until: usize, rows: usize },
    /// Changes from that position on.
    Rest { from: usize },
}

/// Answers `GET /users/delta` and the like.
pub(crate) fn answer(directory: &Directory, call: &Call, kind: Kind) -> Outcome {
    let options = &call.options;
    let now = call.now.as_second();
    let position = directory.journal.seen_until(call.seen_until);
    let given = options
        .skip_token
        .as_deref()
        .or(options.delta_token.as_deref().filter(|token| !token.is_empty()));
    let mut token = match given {
        Some(text) if text != "latest" => read(text, kind)?,
        latest => Token {
            kind: letter(kind),
            select: selected(call, kind)?,
            ids: chosen(options.filter.as_ref())?,
            issued: now,
            stage: if latest.is_some() {
                Stage::Rest { from: position }
            } else {
                Stage::First {
                    after: 0,
                    members: 0,
                    journal: position,
                }
            },
        },
    };
    if !options.order.is_empty() || !options.expand.is_empty() || options.top.is_some() || options.count {
        return Err(Fail::unsupported(
            "$top, $count, $orderby and $expand are not supported by the delta function of this resource.",
        ));
    }
    if token.issued.saturating_add(LIFE) < now {
        return Err(expired(call, kind));
    }
    token.issued = now;
    let latest = options.delta_token.as_deref() == Some("latest");
    let (value, next) = match token.stage {
        Stage::First {
            after,
            members,
            journal,
        } => first(directory, call, &token, kind, (after, members, journal)),
        Stage::Rest { from } if latest => (Vec::new(), Stage::Rest { from }),
        Stage::Rest { from } => {
            // The view may lie behind what was read before.
            let until = position.max(from);
            later(directory, call, &token, kind, (from, until, 0)).ok_or_else(|| expired(call, kind))?
        }
        Stage::Next { from, until, rows } => {
            later(directory, call, &token, kind, (from, until, rows)).ok_or_else(|| expired(call, kind))?
        }
    };
    token.stage = next;
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default());
    let address = format!("{}/{}/delta", call.root, kind.segment());
    let mut body = Map::new();
    let context = if token.select.is_empty() {
        call.context(kind.segment())
    } else {
        call.context(&format!("{}({})", kind.segment(), token.select.join(",")))
    };
    body.insert("@odata.context".to_owned(), context.into());
    let (name, link) = if matches!(next, Stage::Rest { .. }) {
        ("@odata.deltaLink", format!("{address}?$deltatoken={text}"))
    } else {
        ("@odata.nextLink", format!("{address}?$skiptoken={text}"))
    };
    body.insert(name.to_owned(), link.into());
    body.insert("value".to_owned(), value.into());
    Ok(Answer::ok(Value::Object(body)))
}

fn has_members(kind: Kind) -> bool {
    matches!(kind, Kind::Group | Kind::AdministrativeUnit | Kind::DirectoryRole)
}

fn letter(kind: Kind) -> char {
    match kind {
        Kind::User => 'u',
        Kind::Group => 'g',
        Kind::Application => 'a',
        Kind::ServicePrincipal => 's',
        Kind::AdministrativeUnit => 'n',
        Kind::DirectoryRole => 'r',
    }
}

fn read(text: &str, kind: Kind) -> Result<Token, Fail> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Token>(&bytes).ok())
        .filter(|token| token.kind == letter(kind))
        .ok_or_else(|| Fail::syntax("Badly formed token."))
}

fn expired(call: &Call, kind: Kind) -> Fail {
    let mut fail = Fail::new(
        410,
        "syncStateNotFound",
        "The sync state generation is not found. The delta token is expired and data must be synchronized again.",
    );
    fail.location = Some(format!("{}/{}/delta?$deltatoken=", call.root, kind.segment()));
    fail
}

fn selected(call: &Call, kind: Kind) -> Result<Vec<String>, Fail> {
    let relation = match kind {
        Kind::User => Some("manager"),
        _ if has_members(kind) => Some("members"),
        _ => None,
    };
    for name in &call.options.select {
        if !relation.is_some_and(|relation| name.eq_ignore_ascii_case(relation)) {
            kind.queried(SELECT, name)?;
        }
    }
    Ok(call.options.select.clone())
}

/// The ids of a `$filter`: nothing but `id eq` joined by `or`, at most fifty.
fn chosen(filter: Option<&Expr>) -> Result<Option<Vec<String>>, Fail> {
    let Some(filter) = filter else { return Ok(None) };
    let ids = filter.ids().ok_or_else(|| {
        Fail::unsupported("The delta function supports $filter by 'id eq' only, joined by 'or'.")
    })?;
    if ids.len() > 50 {
        return Err(Fail::unsupported(
            "The delta function can track 50 objects by id at most.",
        ));
    }
    Ok(Some(ids))
}

impl Token {
    fn wants(&self, id: &str) -> bool {
        self.ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|wanted| wanted.eq_ignore_ascii_case(id)))
    }

    fn selects(&self, name: &str) -> bool {
        self.select.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    /// Members come unless a selection leaves them out; a user's manager only when it is selected.
    fn shows_members(&self, kind: Kind) -> bool {
        has_members(kind) && (self.select.is_empty() || self.selects("members"))
    }
}

/// A page of all objects.
fn first(
    directory: &Directory,
    call: &Call,
    token: &Token,
    kind: Kind,
    (after, skipped, journal): (u64, usize, usize),
) -> (Vec<Value>, Stage) {
    let (mut out, mut room) = (Vec::new(), MEMBERS);
    let (mut place, mut skipped) = (after, skipped);
    let objects = directory
        .behind(kind, after)
        .filter(|object| object.seen_by(call) && token.wants(&object.id));
    for object in objects {
        if out.len() == PAGE || room == 0 {
            return (
                out,
                Stage::First {
                    after: place,
                    members: skipped,
                    journal,
                },
            );
        }
        let mut shown = full(directory, object, token);
        if token.shows_members(kind) {
            let there: Vec<&String> = members(directory, &object.id).skip(skipped).collect();
            let part: Vec<Value> = there
                .iter()
                .take(room)
                .map(|id| reference(directory, id, true))
                .collect();
            let count = part.len();
            room -= count;
            if count > 0 {
                shown.insert("members@delta".to_owned(), part.into());
            }
            if count < there.len() {
                out.push(Value::Object(shown));
                return (
                    out,
                    Stage::First {
                        after: place,
                        members: skipped + count,
                        journal,
                    },
                );
            }
        } else if token.selects("manager")
            && let Some(manager) = directory.manager(&object.id)
        {
            let manager = reference(directory, &manager.id, true);
            shown.insert("manager@delta".to_owned(), json!([manager]));
        }
        out.push(Value::Object(shown));
        (place, skipped) = (object.place, 0);
    }
    (out, Stage::Rest { from: journal })
}

/// A page of changes; nothing where the journal never was that long.
fn later(
    directory: &Directory,
    call: &Call,
    token: &Token,
    kind: Kind,
    (from, until, skipped): (usize, usize, usize),
) -> Option<(Vec<Value>, Stage)> {
    let all = changes(directory, kind, from, until)?;
    let rows: Vec<Value> = all
        .iter()
        .filter(|entry| token.wants(&entry.id))
        .filter_map(|entry| changed(directory, call, token, kind, entry))
        .collect();
    // Each row has a part of a group's members at most, so a page of rows is never too large.
    let page: Vec<Value> = rows.iter().skip(skipped).take(PAGE).cloned().collect();
    let seen = skipped + page.len();
    let stage = if seen < rows.len() {
        Stage::Next {
            from,
            until,
            rows: seen,
        }
    } else {
        Stage::Rest { from: until }
    };
    Some((page, stage))
}

fn changed(directory: &Directory, call: &Call, token: &Token, kind: Kind, entry: &Entry) -> Option<Value> {
    let Some(object) = directory.get(&entry.id) else {
        let reason = if directory.gone(&entry.id).is_some() {
            "changed"
        } else {
            "deleted"
        };
        return Some(json!({ "id": entry.id, "@removed": { "reason": reason } }));
    };
    let relevant: Vec<&String> = entry
        .properties
        .iter()
        .filter(|name| token.select.is_empty() || token.selects(name))
        .collect();
    let links = if token.shows_members(kind) || token.selects("manager") {
        entry.links.as_slice()
    } else {
        &[]
    };
    if !entry.whole && relevant.is_empty() && links.is_empty() {
        return None;
    }
    let mut shown = if call.options.minimal && !entry.whole {
        Map::from_iter([("id".to_owned(), Value::from(object.id.as_str()))])
    } else {
        full(directory, object, token)
    };
    for name in relevant {
        let property = kind.property(name)?;
        if !token.select.is_empty() || property.shown() {
            let value = directory.value(object, property.name);
            let value = value.map_or_else(|| property.absent(), std::borrow::Cow::into_owned);
            shown.insert(property.name.to_owned(), value);
        }
    }
    if !links.is_empty() {
        let name = if has_members(kind) {
            "members@delta"
        } else {
            "manager@delta"
        };
        let links: Vec<Value> = links
            .iter()
            .map(|(id, there)| reference(directory, id, *there))
            .collect();
        shown.insert(name.to_owned(), links.into());
    }
    // Nothing to show: a change of what is not returned by default.
    (shown.len() > 1 || entry.whole).then_some(Value::Object(shown))
}

/// An object with what it has; what was never set is left out.
fn full(directory: &Directory, object: &Object, token: &Token) -> Map<String, Value> {
    let mut shown = directory.view(object, &token.select, &[]);
    shown.retain(|_, value| !value.is_null());
    shown.insert("id".to_owned(), object.id.as_str().into());
    shown
}

fn reference(directory: &Directory, id: &str, there: bool) -> Value {
    let mut out = Map::new();
    if let Some(object) = directory.get(id).or_else(|| directory.gone(id)) {
        out.insert(
            "@odata.type".to_owned(),
            format!("#{}", object.kind.odata_type()).into(),
        );
    }
    out.insert("id".to_owned(), id.into());
    if !there {
        out.insert("@removed".to_owned(), json!({ "reason": "deleted" }));
    }
    Value::Object(out)
}
