//! [`compose`]: the words of a notice, in the policy's language or the policy's own.

use super::{Addressees, Message};
#[cfg(feature = "engine")]
use crate::person::PersonKey;
use crate::person::{Language, Notice, Person, Recipient, Words};

/// The message of a notice; `None` when none of the recipients has an address.
pub fn compose(
    notice: Notice,
    person: Option<&Person>,
    addressees: &Addressees,
    to: &[Recipient],
    words: &Words,
) -> Option<Message> {
    let mut mailboxes: Vec<String> = to
        .iter()
        .filter_map(|who| addressees.of(*who))
        .map(str::to_owned)
        .collect();
    mailboxes.sort();
    mailboxes.dedup();
    if mailboxes.is_empty() {
        return None;
    }
    let person = person?;
    let given = person.preferred_name.as_ref().or(person.given_name.as_ref());
    let names: Vec<&str> = [given, person.family_name.as_ref()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let name = names.join(" ");
    let day = match notice {
        Notice::NoShow => person.hire_date,
        _ => person.last_day,
    };
    let day = day.map(|day| day.to_string()).unwrap_or_default();
    let values = [
        ("name", name.as_str()),
        ("worker", person.key.as_str()),
        ("account", addressees.person.as_deref().unwrap_or("–")),
        ("day", day.as_str()),
    ];
    let (subject, body) = match words.texts.get(&notice) {
        Some(own) => (own.subject.as_str(), own.body.as_str()),
        None => standard(words.language, notice),
    };
    let (subject, body) = (filled(subject, &values), filled(body, &values));
    Some(Message::new(notice, person.key.clone(), mailboxes, subject, body))
}

/// The message of an alert: about no one person.
#[cfg(feature = "engine")]
pub(crate) fn alert(to: &[String], what: &str, more: &str, words: &Words) -> Message {
    let (subject, body) = match words.texts.get(&Notice::Alert) {
        Some(own) => (own.subject.as_str(), own.body.as_str()),
        None => standard(words.language, Notice::Alert),
    };
    let values = [("what", what), ("more", more)];
    let (subject, body) = (filled(subject, &values), filled(body, &values));
    Message::new(Notice::Alert, PersonKey::new(""), to.to_vec(), subject, body)
}

/// Puts the values in their places, once: what stands in a value is no place. Other places are left.
pub(super) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, behind) = rest.split_at(open);
        out.push_str(before);
        let found = behind.find('}').and_then(|close| {
            let value = values.iter().find(|(name, _)| *name == &behind[1..close])?;
            Some((value.1, close))
        });
        if let Some((value, close)) = found {
            out.push_str(value);
            rest = &behind[close + 1..];
        } else {
            out.push('{');
            rest = &behind[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Subject and body.
fn standard(language: Language, notice: Notice) -> (&'static str, &'static str) {
    match (language, notice) {
        (Language::English, Notice::Joined) => (
            "{name} can sign in",
            "The account of {name} ({account}), worker {worker}, is ready and open for sign-in.",
        ),
        (Language::English, Notice::Moved) => (
            "The access of {name} has changed",
            "HR changed the record of {name} ({account}), worker {worker}. The account and its access follow it now.",
        ),
        (Language::English, Notice::Left) => (
            "{name} has left",
            "Sign-in of {name} ({account}), worker {worker}, is blocked, and the access has been taken away.",
        ),
        (Language::English, Notice::Pass) => (
            "The temporary access pass of {name}",
            "{name}, worker {worker}, signs in as {account} for the first time with this temporary access pass:\n\n\
             {pass}\n\n\
             It is good for one sign-in within {minutes} minutes from {starts} on. Give it to {name} in person, and to \
             nobody else. Should another message like this come, only the newest pass is good.",
        ),
        (Language::English, Notice::Leaving) => (
            "{name} leaves soon",
            "The last day of {name} ({account}), worker {worker}, is {day}. Access ends with that day.",
        ),
        (Language::English, Notice::NoShow) => (
            "{name} has not signed in yet",
            "The first day of {name} ({account}), worker {worker}, was {day}, and nobody has signed in with the account \
             since. If they are not coming, please say so in the HR system: nothing else is done about it here.",
        ),
        (Language::English, Notice::Idle) => (
            "{name} has not signed in for long",
            "HR says that {name} ({account}), worker {worker}, is at work, and nobody has signed in with the account for \
             long. Please see whether it is still needed: nothing else is done about it here.",
        ),
        (_, Notice::Alert) => ("{what}", "{more}"),
        (Language::German, Notice::NoShow) => (
            "{name} hat sich noch nicht angemeldet",
            "Der erste Tag von {name} ({account}), Personalnummer {worker}, war der {day}, und seither hat sich niemand mit \
             dem Konto angemeldet. Kommt die Person nicht, so melden Sie das bitte im Personalsystem: hier geschieht \
             sonst nichts.",
        ),
        (Language::German, Notice::Idle) => (
            "{name} hat sich lange nicht angemeldet",
            "Nach den Personaldaten arbeitet {name} ({account}), Personalnummer {worker}, hier, und schon lange hat sich \
             niemand mit dem Konto angemeldet. Bitte prüfen Sie, ob es noch gebraucht wird: hier geschieht sonst nichts.",
        ),
        (Language::German, Notice::Leaving) => (
            "{name} scheidet bald aus",
            "Der letzte Tag von {name} ({account}), Personalnummer {worker}, ist der {day}. Mit ihm endet der Zugriff.",
        ),
        (Language::German, Notice::Joined) => (
            "{name} kann sich anmelden",
            "Das Konto von {name} ({account}), Personalnummer {worker}, ist bereit und für die Anmeldung freigegeben.",
        ),
        (Language::German, Notice::Moved) => (
            "Der Zugriff von {name} hat sich geändert",
            "Die Personalabteilung hat die Daten von {name} ({account}), Personalnummer {worker}, geändert. Konto und \
             Zugriff richten sich jetzt danach.",
        ),
        (Language::German, Notice::Left) => (
            "{name} ist ausgeschieden",
            "Die Anmeldung von {name} ({account}), Personalnummer {worker}, ist gesperrt, und der Zugriff ist entzogen.",
        ),
        (Language::German, Notice::Pass) => (
            "Der befristete Zugriffspass für {name}",
            "{name}, Personalnummer {worker}, meldet sich als {account} das erste Mal mit diesem befristeten \
             Zugriffspass an:\n\n\
             {pass}\n\n\
             Er gilt für eine Anmeldung innerhalb von {minutes} Minuten ab {starts}. Bitte nur {name} persönlich geben. \
             Kommt noch eine solche Nachricht, so gilt nur der neueste Pass.",
        ),
    }
}
