//! What an object is linked to, as a collection: whole, counted, as references, of one type, or one of it
//! ("List a user's direct memberships", "List group transitive members", "List owners").

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::directory::{Directory, Object, ObjectRow};
use crate::directory_query;
use crate::directory_roles;
use crate::errors::Fail;
use crate::odata::{Options, Row, ValueRow, collection};
use crate::roles::TENANT;
use crate::schema::Kind;

/// Types of directory objects that links may be cast to, and of which the tenant has none.
const FOREIGN: [&str; 2] = ["device", "orgContact"];

/// Answers a read of linked objects: `rest` is what follows the relation's name.
pub(crate) fn answer(directory: &Directory, call: &Call, objects: Vec<&Object>, rest: &[&str]) -> Outcome {
    if call.method != "GET" {
        return Err(Fail::method());
    }
    let (Some(first), rest) = (rest.first(), rest.get(1..).unwrap_or_default()) else {
        return directory_query::mixed(directory, call, objects);
    };
    match (*first, rest) {
        ("$count", []) => directory_query::count_of(directory, call, None, objects.into_iter()),
        ("$ref", []) => references(directory, call, &objects),
        (cast, rest) if cast.contains("graph.") => match (typed(cast)?, rest) {
            (Some(kind), []) => directory_query::cast(directory, call, kind, objects),
            (kind, ["$count"]) => {
                let some = objects.into_iter().filter(|_| kind.is_some());
                directory_query::count_of(directory, call, kind, some)
            }
            (None, []) => collection(call, "directoryObjects", std::iter::empty::<ValueRow>()),
            (_, [segment, ..]) => Err(Fail::segment(segment)),
        },
        (id, rest) => {
            let wanted = match rest {
                [] => None,
                [cast] if cast.contains("graph.") => Some(typed(cast)?),
                [segment, ..] => return Err(Fail::segment(segment)),
            };
            let fits = |object: &Object| {
                object.id.eq_ignore_ascii_case(id)
                    && object.seen_by(call)
                    && wanted.is_none_or(|kind| kind == Some(object.kind))
            };
            let found = objects.into_iter().find(|object| fits(object));
            directory_query::typed_entity(directory, call, found.ok_or_else(|| Fail::not_found(id))?)
        }
    }
}

/// The kind of a cast segment; nothing for a type that the tenant has no objects of.
fn typed(cast: &str) -> Result<Option<Kind>, Fail> {
    let kind = Kind::named(cast);
    let bare = cast.rsplit('.').next().unwrap_or_default();
    if kind.is_none() && !FOREIGN.contains(&bare) {
        return Err(Fail::segment(cast));
    }
    Ok(kind)
}

/// An object as its address alone.
struct Reference<'a> {
    row: ObjectRow<'a>,
    root: &'a str,
}

impl Row for Reference<'_> {
    fn place(&self) -> u64 {
        self.row.place()
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.row.get(name)
    }

    fn view(&self, _: &Options) -> Value {
        json!({ "@odata.id": format!("{}/directoryObjects/{}", self.root, self.row.object.id) })
    }
}

fn references(directory: &Directory, call: &Call, objects: &[&Object]) -> Outcome {
    let seen = objects.iter().filter(|object| object.seen_by(call));
    let rows = seen.map(|object| Reference {
        row: ObjectRow {
            directory,
            object,
            mixed: true,
        },
        root: &call.root,
    });
    collection(call, "Collection($ref)", rows)
}

/// Groups and administrative units that an object is in directly, and directory roles that it holds.
pub(crate) fn member_of<'a>(directory: &'a Directory, id: &str) -> Vec<&'a Object> {
    let groups = directory.members.sources(id).cloned();
    let mut ids: HashSet<String> = groups.chain(directory.units.sources(id).cloned()).collect();
    ids.extend(roles_of(directory, id));
    directory.objects_of(ids.iter())
}

/// The same through groups in groups. Administrative units hold what is in them, not what is in that.
pub(crate) fn transitive_member_of<'a>(directory: &'a Directory, id: &str) -> Vec<&'a Object> {
    let above = directory.groups_above(id);
    let mut ids: HashSet<String> = directory.units.sources(id).cloned().collect();
    ids.extend(roles_of(directory, id));
    for group in &above {
        ids.extend(roles_of(directory, group));
    }
    ids.extend(above);
    directory.objects_of(ids.iter())
}

/// Who is in a group, in an administrative unit, or holds a directory role.
pub(crate) fn members<'a>(directory: &'a Directory, of: &Object) -> Vec<&'a Object> {
    match of.kind {
        Kind::AdministrativeUnit => directory.objects_of(directory.units.targets(&of.id)),
        Kind::DirectoryRole => directory_roles::holders(directory, of),
        _ => directory.objects_of(directory.members.targets(&of.id)),
    }
}

/// Everything below a group, nested groups opened.
pub(crate) fn transitive_members<'a>(directory: &'a Directory, group: &str) -> Vec<&'a Object> {
    let mut found: HashSet<String> = HashSet::new();
    let mut next: Vec<String> = directory.members.targets(group).cloned().collect();
    while let Some(id) = next.pop() {
        if !found.contains(&id) {
            next.extend(directory.members.targets(&id).cloned());
            found.insert(id);
        }
    }
    directory.objects_of(found.iter())
}

/// The activated roles that a principal holds for the whole tenant. A role in a part of it is shown by
/// `scopedRoleMemberOf` alone.
fn roles_of(directory: &Directory, principal: &str) -> impl Iterator<Item = String> {
    directory
        .assignments
        .values()
        .filter(move |held| held.principal == principal && held.scope == TENANT)
        .map(|held| directory_roles::object_id(directory, &held.role))
}
