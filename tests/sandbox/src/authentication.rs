//! `/users/{id}/authentication`: how a user can prove who it is ("Microsoft Entra authentication methods API
//! overview"), and temporary access passes ("Create temporaryAccessPassMethod").

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};

/// The forms that a method can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Password,
    Phone,
    Email,
    Fido2,
    Authenticator,
    SoftwareOath,
    WindowsHello,
    PlatformCredential,
    AccessPass,
}

const FORMS: [Form; 9] = [
    Form::Password,
    Form::Phone,
    Form::Email,
    Form::Fido2,
    Form::Authenticator,
    Form::SoftwareOath,
    Form::WindowsHello,
    Form::PlatformCredential,
    Form::AccessPass,
];

impl Form {
    /// The segment below `authentication`.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Password => "passwordMethods",
            Self::Phone => "phoneMethods",
            Self::Email => "emailMethods",
            Self::Fido2 => "fido2Methods",
            Self::Authenticator => "microsoftAuthenticatorMethods",
            Self::SoftwareOath => "softwareOathMethods",
            Self::WindowsHello => "windowsHelloForBusinessMethods",
            Self::PlatformCredential => "platformCredentialMethods",
            Self::AccessPass => "temporaryAccessPassMethods",
        }
    }

    fn odata_type(self) -> &'static str {
        match self {
            Self::Password => "passwordAuthenticationMethod",
            Self::Phone => "phoneAuthenticationMethod",
            Self::Email => "emailAuthenticationMethod",
            Self::Fido2 => "fido2AuthenticationMethod",
            Self::Authenticator => "microsoftAuthenticatorAuthenticationMethod",
            Self::SoftwareOath => "softwareOathAuthenticationMethod",
            Self::WindowsHello => "windowsHelloForBusinessAuthenticationMethod",
            Self::PlatformCredential => "platformCredentialAuthenticationMethod",
            Self::AccessPass => "temporaryAccessPassAuthenticationMethod",
        }
    }
}

/// One registered method.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    pub(crate) id: String,
    pub(crate) form: Form,
    pub(crate) created: Timestamp,
    pub(crate) props: Map<String, Value>,
}

/// The ids that are the same for every user.
const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";
const EMAIL: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";
const PHONES: [(&str, &str); 3] = [
    ("mobile", "3179e48a-750b-4051-897c-87b9720928f7"),
    ("alternateMobile", "b6332ec1-7057-4abe-9331-3d72feddfe41"),
    ("office", "e37fc753-ff3b-4958-9484-eaa9425c82bc"),
];

/// Answers below `/users/{id}/authentication`.
pub(crate) fn route(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    let (segment, rest) = rest.split_first().ok_or_else(Fail::method)?;
    let form = FORMS.into_iter().find(|form| form.segment() == *segment);
    if form.is_none() && *segment != "methods" {
        return Err(Fail::segment(segment));
    }
    match (rest, call.method.as_str(), form) {
        ([], "GET", _) => list(user, call, segment, form),
        (["$count"], "GET", _) => Ok(Answer::number(methods(user, form).count())),
        ([key], "GET", _) => {
            let found = find(user, form, key)?;
            let mut value = view(&found, call.now, form.is_none());
            if let Some(map) = value.as_object_mut() {
                let context = call.context(&format!("users('{id}')/authentication/{segment}/$entity"));
                map.shift_insert(0, "@odata.context".to_owned(), context.into());
            }
            Ok(Answer::ok(value))
        }
        ([], "POST", Some(Form::AccessPass)) => create_pass(directory, call, id),
        ([], "POST", Some(form @ (Form::Phone | Form::Email))) => register(directory, call, id, form),
        ([key], "PATCH", Some(form @ (Form::Phone | Form::Email))) => change(directory, call, id, form, key),
        ([key], "DELETE", Some(form)) if form != Form::Password => {
            let found = find(user, Some(form), key)?;
            keeps_default(user, &found)?;
            directory.change(id, |user| user.methods.retain(|method| method.id != found.id));
            Ok(Answer::done())
        }
        _ => Err(Fail::method()),
    }
}

/// A user's methods; the password is one as soon as there is one.
fn methods(user: &Object, form: Option<Form>) -> impl Iterator<Item = Method> {
    let password = (user.password_version > 0).then(|| Method {
        id: PASSWORD.to_owned(),
        form: Form::Password,
        created: user.created,
        props: Map::from_iter([("password".to_owned(), Value::Null)]),
    });
    let all = password.into_iter().chain(user.methods.iter().cloned());
    all.filter(move |method| form.is_none_or(|form| method.form == form))
}

/// Whether a user is asked for a second factor: it has registered one.
pub(crate) fn has_second_factor(user: &Object) -> bool {
    let counts = |form: Form| !matches!(form, Form::Password | Form::Email | Form::AccessPass);
    user.methods.iter().any(|method| counts(method.form))
}

/// Gives a user an app that shows codes.
pub(crate) fn plant_code_app(directory: &mut Directory, user: &str, now: Timestamp) {
    let method = Method {
        id: directory.ids.guid(),
        form: Form::SoftwareOath,
        created: now,
        props: Map::from_iter([("secretKey".to_owned(), Value::Null)]),
    };
    directory.change(user, |user| user.methods.push(method));
}

fn find(user: &Object, form: Option<Form>, key: &str) -> Result<Method, Fail> {
    let mut methods = methods(user, form);
    methods.find(|method| method.id == key).ok_or_else(|| {
        Fail::new(
            404,
            "resourceNotFound",
            format!("The requested authentication method id of [{key}] was not found."),
        )
    })
}

fn list(user: &Object, call: &Call, segment: &str, form: Option<Form>) -> Outcome {
    let rows = methods(user, form).zip(1..).map(|(method, place)| ValueRow {
        place,
        value: view(&method, call.now, form.is_none()),
    });
    collection(
        call,
        &format!("users('{}')/authentication/{segment}", user.id),
        rows,
    )
}

/// As a reply shows it. Where forms are mixed each says its own.
fn view(method: &Method, now: Timestamp, mixed: bool) -> Value {
    let mut out = Map::new();
    if mixed {
        let name = format!("#microsoft.graph.{}", method.form.odata_type());
        out.insert("@odata.type".to_owned(), name.into());
    }
    out.insert("id".to_owned(), method.id.as_str().into());
    out.extend(method.props.clone());
    out.insert("createdDateTime".to_owned(), graph_time(method.created).into());
    if method.form == Form::AccessPass {
        let (usable, reason) = usability(method, now);
        out.insert("isUsable".to_owned(), usable.into());
        out.insert("methodUsabilityReason".to_owned(), reason.into());
    }
    Value::Object(out)
}

fn usability(pass: &Method, now: Timestamp) -> (bool, &'static str) {
    let start = pass.props.get("startDateTime").and_then(Value::as_str);
    let start = start
        .and_then(|at| at.parse::<Timestamp>().ok())
        .unwrap_or(pass.created);
    let minutes = pass.props.get("lifetimeInMinutes").and_then(Value::as_i64);
    let end = start.checked_add(SignedDuration::from_mins(minutes.unwrap_or_default()));
    if now < start {
        (false, "NotYetValid")
    } else if end.is_ok_and(|end| end <= now) {
        (false, "Expired")
    } else {
        (true, "EnabledByPolicy")
    }
}

/// The codes of this service begin with a small letter.
fn refused(message: impl Into<String>) -> Fail {
    Fail::new(400, "badRequest", message)
}

/// The method that sign-in asks for first goes last ("Delete phoneAuthenticationMethod").
fn keeps_default(user: &Object, method: &Method) -> Result<(), Fail> {
    let asked = |method: &&Method| match method.form {
        Form::Authenticator | Form::SoftwareOath => true,
        Form::Phone => method.props.get("phoneType").and_then(Value::as_str) != Some("office"),
        _ => false,
    };
    let mut second: Vec<&Method> = user.methods.iter().filter(asked).collect();
    second.sort_by_key(|method| method.created);
    match second.as_slice() {
        [first, _, ..] if first.id == method.id => Err(refused(format!(
            "The requested authentication method id of [{}] matches the user's current default authentication method, \
             and cannot be deleted until the default authentication method is changed",
            method.id
        ))),
        _ => Ok(()),
    }
}

fn register(directory: &mut Directory, call: &Call, id: &str, form: Form) -> Outcome {
    let (key, mut props) = given(call, form, None)?;
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    if user.methods.iter().any(|method| method.id == key) {
        return Err(refused(
            "A method of this type is registered for the user already.",
        ));
    }
    if form == Form::Phone {
        let mobile = props.get("phoneType").and_then(Value::as_str) == Some("mobile");
        let state = if mobile { "notEnabled" } else { "notSupported" };
        props.insert("smsSignInState".to_owned(), state.into());
    }
    Ok(add(directory, call, id, key, form, props))
}

fn change(directory: &mut Directory, call: &Call, id: &str, form: Form, key: &str) -> Outcome {
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    let found = find(user, Some(form), key)?;
    let (_, props) = given(call, form, Some(&found))?;
    directory.change(id, |user| {
        for method in user.methods.iter_mut().filter(|method| method.id == found.id) {
            method.props.extend(props.clone());
        }
    });
    Ok(Answer::done())
}

/// What a phone or an address is to be, and the id that goes with it.
fn given(call: &Call, form: Form, old: Option<&Method>) -> Result<(String, Map<String, Value>), Fail> {
    let body = call.object()?;
    let known: &[&str] = match form {
        Form::Phone => &["phoneNumber", "phoneType"],
        _ => &["emailAddress"],
    };
    let mut props = Map::new();
    for name in body.keys().filter(|name| !name.starts_with('@')) {
        if !known.contains(&name.as_str()) {
            return Err(refused(format!("The property '{name}' cannot be set.")));
        }
    }
    let mut take = |name: &str, fits: &dyn Fn(&str) -> bool| {
        let before = old.and_then(|method| method.props.get(name));
        let text = body.get(name).or(before).and_then(Value::as_str);
        let text = text.filter(|text| fits(text));
        let text = text.ok_or_else(|| refused(format!("The property '{name}' is missing or invalid.")))?;
        props.insert(name.to_owned(), text.into());
        Ok::<String, Fail>(text.to_owned())
    };
    if form == Form::Email {
        take("emailAddress", &|text| {
            text.split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        })?;
        return Ok((EMAIL.to_owned(), props));
    }
    // "+{country code} {number}x{extension}"
    take("phoneNumber", &|text| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        digits.chars().filter(char::is_ascii_digit).count() >= 7
            && digits
                .chars()
                .all(|sign| sign.is_ascii_digit() || " x".contains(sign))
    })?;
    let kind = take("phoneType", &|text| PHONES.iter().any(|(name, _)| *name == text))?;
    let id = PHONES.iter().find(|(name, _)| *name == kind);
    Ok((id.map_or("", |(_, id)| id).to_owned(), props))
}

fn create_pass(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    // An empty body is a pass by the policy's defaults.
    let empty = Map::new();
    let body = call.body.as_ref().map_or(Ok(&empty), |_| call.object())?;
    for name in body.keys().filter(|name| !name.starts_with('@')) {
        if !["startDateTime", "lifetimeInMinutes", "isUsableOnce"].contains(&name.as_str()) {
            return Err(refused(format!("The property '{name}' cannot be set.")));
        }
    }
    let user = directory.get(id).ok_or_else(|| Fail::not_found(id))?;
    if user
        .text("userPrincipalName")
        .is_some_and(|name| name.contains("#EXT#"))
    {
        return Err(refused(
            "Temporary Access Pass cannot be added to an external guest user.",
        ));
    }
    let minutes = match body.get("lifetimeInMinutes").filter(|value| !value.is_null()) {
        None => 60,
        Some(value) => value
            .as_i64()
            .filter(|minutes| (10..=43_200).contains(minutes))
            .ok_or_else(|| refused("The value of lifetimeInMinutes must be between 10 and 43200."))?,
    };
    let start = match body.get("startDateTime").filter(|value| !value.is_null()) {
        None => call.now,
        Some(value) => value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| refused("The value of startDateTime is not a date and time."))?,
    };
    let once = match body.get("isUsableOnce").filter(|value| !value.is_null()) {
        None => false,
        Some(value) => value
            .as_bool()
            .ok_or_else(|| refused("The value of isUsableOnce is not a boolean."))?,
    };
    // One pass for each user: the new one takes the place of the old one.
    directory.change(id, |user| {
        user.methods.retain(|method| method.form != Form::AccessPass);
    });
    let key = directory.ids.guid();
    let props = json!({
        "temporaryAccessPass": null, "startDateTime": graph_time(start), "lifetimeInMinutes": minutes,
        "isUsableOnce": once,
    });
    let props = props.as_object().cloned().unwrap_or_default();
    let mut answer = add(directory, call, id, key, Form::AccessPass, props);
    if let Some(body) = &mut answer.body {
        // In this reply and nowhere else.
        body["temporaryAccessPass"] = secret().into();
    }
    Ok(answer)
}

/// Eight characters that are easily told apart.
fn secret() -> String {
    const SIGNS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789+#*$";
    let noise = Uuid::new_v4().into_bytes();
    let sign = |byte: &u8| char::from(SIGNS[usize::from(*byte) % SIGNS.len()]);
    // The bytes behind the version and the variant are all random.
    noise[8..]
        .iter()
        .rev()
        .take(7)
        .map(sign)
        .chain(noise.first().map(sign))
        .collect()
}

fn add(
    directory: &mut Directory,
    call: &Call,
    id: &str,
    key: String,
    form: Form,
    props: Map<String, Value>,
) -> Answer {
    let segment = form.segment();
    let made = Method {
        id: key,
        form,
        created: call.now,
        props,
    };
    let mut body = view(&made, call.now, false);
    if let Some(map) = body.as_object_mut() {
        let context = call.context(&format!("users('{id}')/authentication/{segment}/$entity"));
        map.shift_insert(0, "@odata.context".to_owned(), context.into());
    }
    let address = format!("{}/users/{id}/authentication/{segment}/{}", call.root, made.id);
    directory.change(id, |user| user.methods.push(made));
    Answer::created(body, address)
}

/// What somebody who has worked here for a while has registered: a number, an app, and a key.
pub(crate) fn plant(directory: &mut Directory, user: &str, now: Timestamp) {
    let mut made = Vec::new();
    let mut method = |form: Form, id: String, props: Value| {
        made.push(Method {
            id,
            form,
            created: now,
            props: props.as_object().cloned().unwrap_or_default(),
        });
    };
    let number = directory.ids.number() % 10_000_000;
    method(
        Form::Phone,
        PHONES[0].1.to_owned(),
        json!({
            "phoneNumber": format!("+61 41{number:07}"), "phoneType": "mobile", "smsSignInState": "notEnabled",
        }),
    );
    method(
        Form::Authenticator,
        directory.ids.guid(),
        json!({ "displayName": "Phone", "deviceTag": "SoftwareTokenActivated", "phoneAppVersion": "6.8.18" }),
    );
    method(
        Form::Fido2,
        directory.ids.guid(),
        json!({
            "displayName": "Blue key", "aaGuid": "2fc0579f-8113-47ea-b116-555a8db9202a", "model": "NFC key",
            "attestationCertificates": ["dbe793efdf1945e2df25d93653a1e8a3268a9075"],
            "attestationLevel": "attested",
        }),
    );
    method(
        Form::SoftwareOath,
        directory.ids.guid(),
        json!({ "secretKey": null }),
    );
    method(
        Form::WindowsHello,
        directory.ids.guid(),
        json!({ "displayName": "Laptop", "keyStrength": "normal" }),
    );
    directory.change(user, |user| user.methods.extend(made));
}
