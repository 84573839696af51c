//! Reads how notices are worded: the language, and texts of the policy's own with checked placeholders.

use crate::person::{Language, Notice, Text, Words};

use super::source::{Found, Section, Source, hint};

/// `language` and `text` of `[notify]`.
pub(super) fn words(notify: &Section<'_, '_>, source: &mut Source<'_>) -> Words {
    let mut words = Words::default();
    if let Some(written) = notify.text("language", source) {
        match written.value {
            "en" => {}
            "de" => words.language = Language::German,
            _ => notify.refuse("language", written.span.start, "\"en\" or \"de\"", source),
        }
    }
    let known = Notice::ALL.map(Notice::as_str);
    let Some(texts) = notify.child("text", "text of [notify]", &known, &[], source) else {
        return words;
    };
    for notice in Notice::ALL {
        let (key, keys) = (notice.as_str(), ["subject", "body"]);
        let Some(own) = texts.child(key, "a text of [notify]", &keys, &[], source) else {
            continue;
        };
        let (subject, body) = (own.required("subject", source), own.required("body", source));
        let (Some(subject), Some(body)) = (subject, body) else {
            continue;
        };
        check(&subject, notice.in_subject(), source);
        check(&body, notice.places(), source);
        if subject.value.contains('\n') {
            source.refuse(subject.span.start, "a subject has one line");
        }
        if notice == Notice::Pass && !body.value.contains("{pass}") {
            source.refuse(body.span.start, "the text of a pass must name {pass}");
        }
        let text = Text {
            subject: subject.value.trim().to_owned(),
            body: body.value.trim().to_owned(),
        };
        words.texts.insert(notice, text);
    }
    words
}

/// Every placeholder must be one that there is.
fn check(written: &Found<&str>, known: &[&str], source: &mut Source<'_>) {
    let text = written.value;
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let rest = &text[open + 1..];
        let at = source.inside(&written.span, open);
        let Some(length) = rest.find('}') else {
            source.refuse(at, "\"{\" is not closed");
            return;
        };
        let name = &rest[..length];
        if !known.contains(&name) {
            let list: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
            let message = format!(
                "unknown placeholder \"{{{name}}}\"{} (known here: {})",
                hint(name, known),
                list.join(", ")
            );
            source.refuse(at, message);
        }
        from = open + 1 + length + 1;
    }
}
