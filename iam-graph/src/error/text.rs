//! What of the service's own text may be repeated.

use iam_core::http::redact;

pub(super) fn is_property(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A clause of ours, and what of the service's text may be repeated.
pub(super) fn explained(clause: &str, text: &str) -> String {
    redact::explained(clause, text, no_value)
}

/// What stands in quotes is kept only when it is a property, a type or an object id.
pub(super) fn no_value(before: &str, quoted: &str) -> bool {
    let named = ["property", "properties:", "properties", "type", "parameter"].contains(&before);
    is_guid(quoted) || (named && is_property(quoted))
}

/// Whether a text is an object id.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
