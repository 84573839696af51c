//! What of the service's own text may be repeated.

/// The longest piece of it in a message, in characters.
const LONGEST_TEXT: usize = 300;

pub(super) fn is_property(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A clause of ours, and what of the service's text may be repeated.
pub(super) fn explained(clause: &str, text: &str) -> String {
    let text = harmless(text);
    if text.is_empty() {
        clause.to_owned()
    } else {
        format!("{clause} ({text})")
    }
}

/// The service's text without values: what stands in quotes is kept only when it is a property, a type or an
/// object id; words with an `@` and everything behind the first line go.
pub(super) fn harmless(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect();
    let line = between_letters(&line);
    let mut kept = String::new();
    for (index, piece) in line.split(['\'', '"']).enumerate() {
        if index % 2 == 0 {
            let words = piece
                .split(' ')
                .map(|word| if word.contains('@') { "…" } else { word });
            kept.push_str(&words.collect::<Vec<_>>().join(" "));
        } else {
            let before = kept
                .trim_end()
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .to_lowercase();
            let named =
                ["property", "properties:", "properties", "type", "parameter"].contains(&before.as_str());
            let keep = is_guid(piece) || (named && is_property(piece));
            kept.extend(["'", if keep { piece } else { "…" }, "'"]);
        }
    }
    kept.trim().trim_end_matches('.').to_owned()
}

/// An apostrophe between two letters (`user's`, `O'Neil`) is not a quote: it would turn inside and outside
/// of quotes around.
fn between_letters(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let letter = |index: Option<usize>| {
        index
            .and_then(|i| chars.get(i))
            .is_some_and(|c| c.is_alphabetic())
    };
    let apostrophe = |i: usize, c: char| c == '\'' && letter(i.checked_sub(1)) && letter(Some(i + 1));
    chars
        .iter()
        .enumerate()
        .map(|(i, &c)| if apostrophe(i, c) { '’' } else { c })
        .collect()
}

/// Whether a text is an object id.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// A short identifier, or nothing: codes and request ids are repeated as they are.
pub(super) fn word(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!text.is_empty() && text.len() <= 100 && text.bytes().all(fits)).then_some(text)
}
