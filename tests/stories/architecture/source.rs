//! [`Source`]: one Rust file as its tokens, so that comments, strings and formatting cannot fool a rule.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One name as it stands in code, with `super` and `self` resolved: `crate::plan::diff`, `std::fs`, `tokio`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

impl Name {
    pub(super) fn starts_with(&self, path: &str) -> bool {
        let mut mine = self.path.iter();
        path.split("::")
            .all(|part| mine.next().is_some_and(|own| own == part))
    }
}

/// One Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// Names in all its code, tests included.
    pub(super) all: Vec<Name>,
    /// Names in what is built for users: without `#[cfg(test)]`.
    pub(super) names: Vec<Name>,
    /// Lines of that code; comments, attributes and blanks do not count.
    pub(super) lines: usize,
    /// Children declared as `#[cfg(test)] mod child;`: test code as a whole.
    pub(super) test_children: Vec<String>,
}

impl Source {
    /// Reads `text`, the file of the module `module` (`["plan", "diff"]`; the crate's root is `[]`).
    pub(super) fn read(text: &str, module: &[String]) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|e| format!("not Rust: {e}"))?;
        let (mut all, mut names, mut lines, mut test_children) = (vec![], vec![], BTreeSet::new(), vec![]);
        collect(&tokens, module, &mut all);
        let live = without_tests(tokens, &mut test_children);
        collect(&live, module, &mut names);
        count(live, &mut lines);
        Ok(Self {
            all,
            names,
            lines: lines.len(),
            test_children,
        })
    }
}

/// Drops attributes, and the items that `#[cfg(test)]` marks.
fn without_tests(tokens: TokenStream, test_children: &mut Vec<String>) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let (mut live, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        if let Some((attribute, after)) = attribute(&tokens, at) {
            at = after;
            if is_test(&attribute) {
                let end = item_end(&tokens, at);
                test_children.extend(declared_module(&tokens[at..end]));
                at = end;
            }
            continue;
        }
        live.push(match token {
            TokenTree::Group(group) => {
                let mut kept = Group::new(group.delimiter(), without_tests(group.stream(), test_children));
                kept.set_span(group.span());
                kept.into()
            }
            other => other.clone(),
        });
        at += 1;
    }
    live.into_iter().collect()
}

/// The attribute at `at` and the place behind it.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(Group, usize)> {
    let bracket = match (tokens.get(at)?, tokens.get(at + 1)?) {
        (TokenTree::Punct(hash), TokenTree::Punct(inner))
            if hash.as_char() == '#' && inner.as_char() == '!' =>
        {
            at + 2
        }
        (TokenTree::Punct(hash), _) if hash.as_char() == '#' => at + 1,
        _ => return None,
    };
    match tokens.get(bracket)? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            Some((group.clone(), bracket + 1))
        }
        _ => None,
    }
}

/// Whether it is `cfg(test)` or `cfg(all(test, …))`; `cfg(not(test))` and `cfg(any(test, …))` are not.
fn is_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Where the item (or field, or statement) that starts at `at` ends.
fn item_end(tokens: &[TokenTree], mut at: usize) -> usize {
    const ITEMS: [&str; 13] = [
        "fn", "mod", "use", "impl", "const", "static", "struct", "enum", "trait", "type", "async", "unsafe",
        "extern",
    ];
    while let Some((_, after)) = attribute(tokens, at) {
        at = after;
    }
    let (mut item, mut undecided) = (false, true);
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) if undecided && word != "pub" => {
                undecided = false;
                item = ITEMS.iter().any(|known| word == known);
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' || (mark.as_char() == ',' && !item) => break,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            _ => {}
        }
    }
    at
}

/// `tests` of `pub(crate) mod tests;`.
fn declared_module(item: &[TokenTree]) -> Option<String> {
    match item {
        [
            ..,
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Punct(end),
        ] if word == "mod" && end.as_char() == ';' => Some(name.to_string()),
        _ => None,
    }
}

/// The lines on which tokens stand.
fn count(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                lines.insert(group.span_close().end().line);
                count(group.stream(), lines);
            }
            other => lines.extend(other.span().start().line..=other.span().end().line),
        }
    }
}

/// Every name in `tokens`, which stand in `module`.
fn collect(tokens: &TokenStream, module: &[String], names: &mut Vec<Name>) {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match (token, tokens.get(at + 1), tokens.get(at + 2)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)), Some(TokenTree::Group(body)))
                if word == "mod" =>
            {
                let inner = [module, &[name.to_string()]].concat();
                collect(&body.stream(), &inner, names);
                at += 3;
            }
            (TokenTree::Ident(_), ..) => at = one(&tokens, at, &[], module, names),
            (TokenTree::Group(group), ..) => {
                collect(&group.stream(), module, names);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The name at `at` behind `prefix`, or all the names of its `{a, b::c}`; returns the place behind it.
fn one(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    module: &[String],
    names: &mut Vec<Name>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens[at].span().start().line;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(part)) => path.push(part.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".into()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                tree(group, &path, module, names);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !separator(tokens, at) {
            break;
        }
        at += 2;
    }
    names.push(Name {
        path: resolve(path, module),
        line,
    });
    at
}

/// The names inside the braces of a `use`.
fn tree(braces: &Group, prefix: &[String], module: &[String], names: &mut Vec<Name>) {
    let tokens: Vec<_> = braces.stream().into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = match token {
            TokenTree::Ident(word) if word == "as" => at + 2,
            TokenTree::Punct(mark) if mark.as_char() != '*' => at + 1,
            _ => one(&tokens, at, prefix, module, names),
        };
    }
}

fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// `super::x` in `["plan", "diff"]` is `crate::plan::x`; `crate::plan::{self}` is `crate::plan`.
fn resolve(mut path: Vec<String>, module: &[String]) -> Vec<String> {
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let own = path.iter().take_while(|part| *part == "self").count();
    let up = path[own..].iter().take_while(|part| *part == "super").count();
    if own + up == 0 {
        return path;
    }
    let base = &module[..module.len().saturating_sub(up)];
    [&["crate".to_owned()], base, &path[own + up..]].concat()
}
