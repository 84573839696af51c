//! What queries over directory objects may ask, and replies that show one or many of them
//! ("Advanced query capabilities on Microsoft Entra ID objects").

use serde_json::{Map, Value};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object, ObjectRow};
use crate::errors::Fail;
use crate::odata::{Expr, collection, counted};
use crate::schema::{FILTER, Kind, ORDER, SELECT, no_property};

/// Refuses what needs an advanced query and is none, and what names an unknown property.
pub(crate) fn allowed(call: &Call, kind: Kind) -> Result<(), Fail> {
    selectable(call, kind)?;
    let options = &call.options;
    if let Some(filter) = &options.filter {
        for path in filter.paths() {
            kind.queried(FILTER, path.first().map_or("", String::as_str))?;
        }
        if let Some(part) = filter.advanced().filter(|_| !options.advanced()) {
            return Err(missing_parameters(part));
        }
        // "Use the $filter query parameter": 15 alternatives, unless the query is an advanced one.
        let alternatives = filter.alternatives();
        if alternatives > 15 && !options.advanced() {
            return Err(Fail::unsupported(format!(
                "Too many child clauses specified in search filter expression containing 'OR' operators: \
                 {alternatives}. Max allowed: 15."
            )));
        }
        check_ends_with(filter)?;
    }
    for (property, _) in &options.order {
        kind.queried(ORDER, property)?;
        let usual = matches!(
            (kind, property.as_str()),
            (_, "displayName") | (Kind::User, "userPrincipalName")
        );
        if !options.advanced() && (!usual || options.filter.is_some()) {
            return Err(Fail::unsupported("Sorting not supported for current query."));
        }
    }
    if (options.advanced() || options.expand.iter().any(|expand| expand.levels > 1))
        && !options.expand.is_empty()
    {
        return Err(Fail::unsupported(
            "$expand is not supported together with advanced query parameters.",
        ));
    }
    Ok(())
}

fn missing_parameters(part: &str) -> Fail {
    Fail::unsupported(format!(
        "Operator '{part}' is not supported because the required parameters might be missing. Try adding \
         $count=true query parameter and ConsistencyLevel:eventual header. Refer to \
         https://aka.ms/graph-docs/advanced-queries for more information"
    ))
}

/// `endsWith` exists for four properties only.
fn check_ends_with(filter: &Expr) -> Result<(), Fail> {
    match filter {
        Expr::And(left, right) | Expr::Or(left, right) => {
            check_ends_with(left)?;
            check_ends_with(right)
        }
        Expr::Not(inner) => check_ends_with(inner),
        Expr::Call(..) if filter.advanced().is_some() => {
            let property = filter
                .paths()
                .first()
                .and_then(|path| path.first().cloned())
                .unwrap_or_default();
            if matches!(property.as_str(), "mail" | "userPrincipalName") {
                Ok(())
            } else {
                Err(Fail::unsupported(format!(
                    "Unsupported or invalid query filter clause specified for property '{property}' of resource."
                )))
            }
        }
        _ => Ok(()),
    }
}

/// Refuses unknown names in `$select` and unknown relations in `$expand`.
pub(crate) fn selectable(call: &Call, kind: Kind) -> Result<(), Fail> {
    for name in &call.options.select {
        kind.queried(SELECT, name)?;
    }
    for expand in &call.options.expand {
        if expand.levels > 1 && !call.options.advanced() {
            return Err(missing_parameters("$levels"));
        }
        if !kind.relations().contains(&expand.relation.as_str()) {
            return Err(no_property(SELECT, &expand.relation, kind.odata_type()));
        }
    }
    Ok(())
}

/// Every object of a kind.
pub(crate) fn list(directory: &Directory, call: &Call, kind: Kind) -> Outcome {
    allowed(call, kind)?;
    let rows = directory.all(kind).filter(|object| object.seen_by(call));
    let rows = rows.map(|object| ObjectRow {
        directory,
        object,
        mixed: false,
    });
    collection(call, kind.segment(), rows)
}

/// One object, in full or as chosen.
pub(crate) fn single(directory: &Directory, call: &Call, object: &Object) -> Outcome {
    selectable(call, object.kind)?;
    Ok(Answer::ok(entity(directory, call, object)))
}

/// The body that shows one object.
pub(crate) fn entity(directory: &Directory, call: &Call, object: &Object) -> Value {
    let mut body = Map::new();
    let segment = object.kind.segment();
    let fragment = if call.options.select.is_empty() {
        format!("{segment}/$entity")
    } else {
        format!("{segment}({})/$entity", call.options.select.join(","))
    };
    body.insert("@odata.context".to_owned(), call.context(&fragment).into());
    body.extend(directory.view(object, &call.options.select, &call.options.expand));
    Value::Object(body)
}

/// The answer with one object where several kinds could stand.
pub(crate) fn typed_entity(directory: &Directory, call: &Call, object: &Object) -> Outcome {
    selectable(call, object.kind)?;
    let mut body = Map::new();
    let context = call.context("directoryObjects/$entity");
    body.insert("@odata.context".to_owned(), context.into());
    let kind = format!("#{}", object.kind.odata_type());
    body.insert("@odata.type".to_owned(), kind.into());
    body.extend(directory.view(object, &call.options.select, &call.options.expand));
    Ok(Answer::ok(Value::Object(body)))
}

/// Objects of one kind behind a cast segment: `/members/microsoft.graph.user`.
pub(crate) fn cast(directory: &Directory, call: &Call, kind: Kind, objects: Vec<&Object>) -> Outcome {
    allowed(call, kind)?;
    let rows = objects
        .into_iter()
        .filter(|object| object.kind == kind && object.seen_by(call))
        .map(|object| ObjectRow {
            directory,
            object,
            mixed: false,
        });
    collection(call, kind.segment(), rows)
}

/// Objects of several kinds: `/members`, `/owners`, `/directReports`.
pub(crate) fn mixed(directory: &Directory, call: &Call, objects: Vec<&Object>) -> Outcome {
    let options = &call.options;
    for name in &options.select {
        if !Kind::ALL.iter().any(|kind| kind.property(name).is_some()) {
            Kind::User.queried(SELECT, name)?;
        }
    }
    if options.filter.is_some() && !options.advanced() {
        return Err(missing_parameters("$filter"));
    }
    let rows = objects
        .into_iter()
        .filter(|object| object.seen_by(call))
        .map(|object| ObjectRow {
            directory,
            object,
            mixed: true,
        });
    collection(call, "directoryObjects", rows)
}

/// `/users/$count`.
pub(crate) fn count(directory: &Directory, call: &Call, kind: Kind) -> Outcome {
    count_of(directory, call, Some(kind), directory.all(kind))
}

/// How many of these objects a request sees and its filter lets pass.
pub(crate) fn count_of<'a>(
    directory: &Directory,
    call: &Call,
    kind: Option<Kind>,
    objects: impl Iterator<Item = &'a Object>,
) -> Outcome {
    let filter = call.options.filter.as_ref();
    for path in filter.iter().flat_map(|filter| filter.paths()) {
        if let Some(kind) = kind {
            kind.queried(FILTER, path.first().map_or("", String::as_str))?;
        }
    }
    let seen = objects.filter(|object| kind.is_none_or(|kind| object.kind == kind) && object.seen_by(call));
    counted(
        call,
        seen.map(|object| ObjectRow {
            directory,
            object,
            mixed: false,
        }),
    )
}
