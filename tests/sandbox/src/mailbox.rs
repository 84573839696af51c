//! `/users/{id}/mailboxSettings` ("Get user mailbox settings", "Update user mailbox settings"). Who has a mailbox
//! follows from the licences held now: Exchange takes it away with the last plan, and gives the same one back.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::licenses::Sku;

const REPLIES: &str = "automaticRepliesSetting";
const HOURS: &str = "workingHours";
const TYPE: &str = "microsoft.graph.mailboxSettings";
const DELIVERIES: [&str; 3] = [
    "sendToDelegateAndInformationToPrincipal",
    "sendToDelegateAndPrincipal",
    "sendToDelegateOnly",
];
const STATUSES: [&str; 3] = ["disabled", "alwaysEnabled", "scheduled"];
const AUDIENCES: [&str; 3] = ["none", "contactsOnly", "all"];
const WEEK: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// The user, if there is a mailbox.
pub(crate) fn of<'a>(directory: &'a Directory, id: &str) -> Result<&'a Object, Fail> {
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    if is_shared(user) || is_licensed(directory, user) {
        return Ok(user);
    }
    Err(Fail::new(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    ))
}

fn is_shared(user: &Object) -> bool {
    user.mailbox
        .get("userPurpose")
        .is_some_and(|purpose| purpose == "shared")
}

/// Whether an Exchange plan is held, and switched on, directly or through a group.
fn is_licensed(directory: &Directory, user: &Object) -> bool {
    let inherited = user.inherited.iter().map(|((_, sku), held)| (sku, held));
    let mut all = user.licenses.iter().chain(inherited);
    all.any(|(sku, held)| {
        let plan = directory
            .skus
            .iter()
            .find(|known| known.id == *sku)
            .and_then(Sku::mailbox_plan);
        held.error == "None" && plan.is_some_and(|plan| !held.disabled_plans.iter().any(|off| off == plan))
    })
}

/// `GET …/mailboxSettings`.
pub(crate) fn read(directory: &Directory, call: &Call, id: &str) -> Outcome {
    let mut body = context(call, id, "");
    let settings = settings(of(directory, id)?, call.now);
    let select = &call.options.select;
    let asked = |(name, _): &(String, Value)| select.is_empty() || select.contains(name);
    body.extend(settings.into_iter().filter(asked));
    Ok(Answer::ok(Value::Object(body)))
}

/// `GET …/mailboxSettings/{name}`: an object as it is, a text as `value`.
pub(crate) fn one(directory: &Directory, call: &Call, id: &str, name: &str) -> Outcome {
    let settings = settings(of(directory, id)?, call.now);
    let value = settings.get(name).ok_or_else(|| Fail::segment(name))?;
    let mut body = context(call, id, &format!("/{name}"));
    match value {
        Value::Object(fields) => body.extend(fields.clone()),
        other => {
            body.insert("value".to_owned(), other.clone());
        }
    }
    Ok(Answer::ok(Value::Object(body)))
}

/// `PATCH …/mailboxSettings`: all or nothing; answers with what was changed.
pub(crate) fn update(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let before = settings(of(directory, id)?, call.now);
    let mut body = context(call, id, "");
    let mut changed = Map::new();
    for (name, value) in call.object()?.iter().filter(|(name, _)| !name.starts_with('@')) {
        let old = before.get(name).cloned().unwrap_or_default();
        let new = match name.as_str() {
            REPLIES => replies(&old, value, call.now)?,
            HOURS => hours(&old, value)?,
            "timeZone" => zone(value)?,
            "language" => language(value)?,
            "dateFormat" | "timeFormat" if value.is_string() => value.clone(),
            "delegateMeetingMessageDeliveryOptions" => one_of(value, &DELIVERIES)?,
            "dateFormat" | "timeFormat" => return Err(unreadable("Cannot read the value as 'Edm.String'.")),
            "userPurpose" | "archiveFolder" => {
                return Err(Fail::new(
                    400,
                    "ErrorInvalidProperty",
                    format!("The property '{name}' is read-only and cannot be set."),
                ));
            }
            _ => return Err(unknown(name, TYPE)),
        };
        changed.insert(name.clone(), new);
    }
    body.extend(changed.clone());
    directory.change(id, |user| user.mailbox.extend(changed));
    Ok(Answer::ok(Value::Object(body)))
}

fn context(call: &Call, id: &str, rest: &str) -> Map<String, Value> {
    let address = call.context(&format!("users('{id}')/mailboxSettings{rest}"));
    Map::from_iter([("@odata.context".to_owned(), address.into())])
}

/// Everything, with the defaults of a mailbox that nobody has touched.
fn settings(user: &Object, now: Timestamp) -> Map<String, Value> {
    let hour = Timestamp::from_second(now.as_second() / 3600 * 3600).unwrap_or(now);
    let tomorrow = hour
        .saturating_add(SignedDuration::from_hours(24))
        .unwrap_or(hour);
    let mut settings = Map::from_iter([
        ("archiveFolder".to_owned(), Value::Null),
        ("timeZone".to_owned(), "UTC".into()),
        (
            "delegateMeetingMessageDeliveryOptions".to_owned(),
            "sendToDelegateOnly".into(),
        ),
        ("dateFormat".to_owned(), "M/d/yyyy".into()),
        ("timeFormat".to_owned(), "h:mm tt".into()),
        ("userPurpose".to_owned(), "user".into()),
        (
            REPLIES.to_owned(),
            json!({
                "status": "disabled", "externalAudience": "all",
                "internalReplyMessage": "", "externalReplyMessage": "",
                "scheduledStartDateTime": utc(hour), "scheduledEndDateTime": utc(tomorrow),
            }),
        ),
        (
            "language".to_owned(),
            json!({ "locale": "en-US", "displayName": "English (United States)" }),
        ),
        (
            HOURS.to_owned(),
            json!({
                "daysOfWeek": WEEK[1..6], "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
                "timeZone": { "name": "UTC" },
            }),
        ),
    ]);
    settings.extend(user.mailbox.clone());
    settings
}

fn utc(at: Timestamp) -> Value {
    json!({ "dateTime": at.strftime("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": "UTC" })
}

fn replies(old: &Value, change: &Value, now: Timestamp) -> Result<Value, Fail> {
    let mut new = old.as_object().cloned().unwrap_or_default();
    for (name, value) in fields(change)? {
        let value = match name.as_str() {
            "status" => one_of(value, &STATUSES)?,
            "externalAudience" => one_of(value, &AUDIENCES)?,
            "internalReplyMessage" | "externalReplyMessage" => match value {
                Value::Null => "".into(),
                Value::String(_) => value.clone(),
                _ => return Err(unreadable("Cannot read the value as 'Edm.String'.")),
            },
            "scheduledStartDateTime" | "scheduledEndDateTime" => {
                instant(value)?;
                value.clone()
            }
            _ => return Err(unknown(name, "microsoft.graph.automaticRepliesSetting")),
        };
        new.insert(name.clone(), value);
    }
    if new.get("status").is_some_and(|status| status == "scheduled") {
        let at = |name: &str| instant(new.get(name).unwrap_or(&Value::Null));
        let (start, end) = (at("scheduledStartDateTime")?, at("scheduledEndDateTime")?);
        if end <= start || end <= now {
            return Err(Fail::new(
                400,
                "ErrorInvalidScheduledOofDuration",
                "The scheduled out of office duration is invalid.",
            ));
        }
    }
    Ok(Value::Object(new))
}

/// A `dateTimeTimeZone` with an IANA zone, or UTC under its Windows name.
fn instant(value: &Value) -> Result<Timestamp, Fail> {
    let text = value.get("dateTime").and_then(Value::as_str).unwrap_or_default();
    let name = value.get("timeZone").and_then(Value::as_str).unwrap_or("UTC");
    let civil: DateTime = text.trim_end_matches('Z').parse().map_err(|_| {
        unreadable(&format!(
            "Cannot convert the literal '{text}' to the expected type 'Edm.DateTime'."
        ))
    })?;
    let zone = iana(name).ok_or_else(bad_zone)?;
    let at = civil.to_zoned_datetime(zone).map_err(|_| bad_zone())?;
    Ok(at.timestamp())
}

fn iana(name: &str) -> Option<TimeZone> {
    match name {
        "UTC" | "tzone://Microsoft/Utc" | "" => Some(TimeZone::UTC),
        _ => TimeZone::get(name).ok(),
    }
}

/// Zones have IANA names, or Windows ones, of which every one ends alike.
fn is_zone(name: &str) -> bool {
    iana(name).is_some() || name.ends_with(" Standard Time")
}

fn zone(value: &Value) -> Result<Value, Fail> {
    let known = value
        .as_str()
        .is_some_and(|name| !name.is_empty() && is_zone(name));
    known.then(|| value.clone()).ok_or_else(bad_zone)
}

fn bad_zone() -> Fail {
    Fail::new(400, "InvalidTimeZone", "Time Zone settings provided are invalid.")
}

fn language(value: &Value) -> Result<Value, Fail> {
    let locale = value.get("locale").and_then(Value::as_str).unwrap_or_default();
    let mut parts = locale.split('-');
    let good = parts
        .next()
        .is_some_and(|language| (2..=3).contains(&language.len()))
        && locale.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !good {
        return Err(Fail::new(400, "ErrorInvalidCulture", "The culture is not valid."));
    }
    Ok(json!({ "locale": locale, "displayName": locale }))
}

fn hours(old: &Value, change: &Value) -> Result<Value, Fail> {
    let mut new = old.as_object().cloned().unwrap_or_default();
    for (name, value) in fields(change)? {
        match name.as_str() {
            "startTime" | "endTime" => {
                let text = value.as_str().unwrap_or_default();
                if time_of_day(text).is_none() {
                    return Err(unreadable(&format!(
                        "Cannot convert the literal '{text}' to the expected type 'Edm.TimeOfDay'."
                    )));
                }
                new.insert(name.clone(), value.clone());
            }
            "daysOfWeek" => {
                let days: Result<Value, Fail> = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|day| one_of(day, &WEEK))
                    .collect();
                new.insert(name.clone(), days?);
            }
            "timeZone" => {
                let custom = value.get("bias").is_some();
                let known = value.get("name").and_then(Value::as_str).is_some_and(is_zone);
                if !custom && !known {
                    return Err(bad_zone());
                }
                new.insert(name.clone(), value.clone());
            }
            _ => return Err(unknown(name, "microsoft.graph.workingHours")),
        }
    }
    let time = |name: &str| new.get(name).and_then(Value::as_str).and_then(time_of_day);
    if time("startTime") >= time("endTime") {
        return Err(Fail::new(
            400,
            "ErrorInvalidTimeSettings",
            "Start Time should occur before End Time.",
        ));
    }
    Ok(Value::Object(new))
}

fn time_of_day(text: &str) -> Option<jiff::civil::Time> {
    text.parse().ok().filter(|_| text.contains(':'))
}

/// The fields of a value that must be an object, without annotations.
fn fields(value: &Value) -> Result<impl Iterator<Item = (&String, &Value)>, Fail> {
    let object = value
        .as_object()
        .ok_or_else(|| unreadable("An object is expected."))?;
    Ok(object.iter().filter(|(name, _)| !name.starts_with('@')))
}

/// A member of an enumeration, in whichever case it was written.
fn one_of(value: &Value, members: &[&str]) -> Result<Value, Fail> {
    let text = value.as_str().unwrap_or_default();
    let known = members.iter().find(|member| member.eq_ignore_ascii_case(text));
    known.map(|member| Value::from(*member)).ok_or_else(|| {
        Fail::new(
            400,
            "InvalidArguments",
            format!("Requested value '{text}' was not found."),
        )
    })
}

fn unreadable(message: &str) -> Fail {
    Fail::new(400, "RequestBodyRead", message)
}

fn unknown(name: &str, of: &str) -> Fail {
    unreadable(&format!(
        "The property '{name}' does not exist on type '{of}'. Make sure to only use property names that are defined \
         by the type."
    ))
}
