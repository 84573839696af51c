//! [`Clauses`]: the parts of a condition that are true or false on their own, as they were written and where.

use std::collections::BTreeMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, SourceInfo};

use super::source::Position;

pub(super) const AND: &str = "_&&_";
pub(super) const OR: &str = "_||_";
pub(super) const NOT: &str = "!_";
pub(super) const IF: &str = "_?_:_";

/// One part as it was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) position: Position,
    /// The fields it reads, `person.department` for example, in the order of the text.
    pub(super) reads: Vec<String>,
}

/// What a condition and its parts were written as.
#[derive(Debug)]
pub(super) struct Clauses {
    whole: Written,
    parts: BTreeMap<u64, Written>,
}

impl Clauses {
    /// Takes an expression apart at `&&`, `||`, `!` and `? :`; `place` says where a byte of its text stands.
    pub(super) fn of(root: &IdedExpr, info: &SourceInfo, place: impl Fn(usize) -> Position) -> Self {
        let pairs = pairs(&info.source);
        let written = |part: &IdedExpr| {
            let (start, end) = extent(part, info, &pairs);
            Written {
                text: info.source.get(start..end).unwrap_or(&info.source).to_owned(),
                position: place(start),
                reads: reads(part),
            }
        };
        let mut parts = BTreeMap::new();
        let mut open = vec![root];
        while let Some(part) = open.pop() {
            match branches(part) {
                Some(call) => open.extend(&call.args),
                None => {
                    parts.insert(part.id, written(part));
                }
            }
        }
        let lead = info.source.len() - info.source.trim_start().len();
        let whole = Written {
            text: info.source.trim().to_owned(),
            position: place(lead),
            reads: reads(root),
        };
        Self { whole, parts }
    }

    /// The condition as a whole.
    pub(super) fn whole(&self) -> &Written {
        &self.whole
    }

    /// A part that is no `&&`, `||`, `!` or `? :`.
    pub(super) fn of_part(&self, part: &IdedExpr) -> &Written {
        self.parts.get(&part.id).unwrap_or(&self.whole)
    }
}

/// The call, where a part is made of others.
pub(super) fn branches(part: &IdedExpr) -> Option<&CallExpr> {
    match &part.expr {
        Expr::Call(call) if [AND, OR, NOT, IF].contains(&call.func_name.as_str()) => Some(call),
        _ => None,
    }
}

/// Calls `each` for an expression and everything inside it.
fn walk<'e>(expr: &'e IdedExpr, each: &mut impl FnMut(&'e IdedExpr)) {
    each(expr);
    match &expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => walk(&select.operand, each),
        Expr::List(list) => list.elements.iter().for_each(|element| walk(element, each)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    walk(&entry.key, each);
                    walk(&entry.value, each);
                }
            }
        }
        Expr::Comprehension(inner) => {
            for part in [
                &inner.iter_range,
                &inner.accu_init,
                &inner.loop_cond,
                &inner.loop_step,
                &inner.result,
            ] {
                walk(part, each);
            }
        }
        Expr::Call(call) => {
            for part in call.target.as_deref().into_iter().chain(&call.args) {
                walk(part, each);
            }
        }
    }
}

/// The fields that an expression reads, `person.department` for example; of a manager also whether there is one
/// (`manager`), and the day (`today`).
pub(super) fn reads(expr: &IdedExpr) -> Vec<String> {
    let mut reads: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !reads.contains(&name) {
            reads.push(name);
        }
    };
    let mut within = Vec::new();
    walk(expr, &mut |part| match &part.expr {
        Expr::Select(select) => {
            if let Expr::Ident(root) = &select.operand.expr {
                add(format!("{root}.{}", select.field));
                within.push(select.operand.id);
            }
        }
        Expr::Ident(name) if name == "today" || name == "manager" && !within.contains(&part.id) => {
            add(name.clone());
        }
        Expr::Call(call) if call.func_name.starts_with("days_") => add("today".to_owned()),
        _ => {}
    });
    reads.retain(|name| {
        ["person.", "manager."].iter().any(|root| name.starts_with(root)) || !name.contains('.')
    });
    reads
}

/// The bytes of the text that an expression was written in.
fn extent(expr: &IdedExpr, info: &SourceInfo, pairs: &[(usize, usize)]) -> (usize, usize) {
    let text = info.source.as_str();
    let (mut start, mut end) = (text.len(), 0);
    walk(expr, &mut |part| {
        let Some((from, to)) = info.offset_for(part.id) else {
            return;
        };
        let (mut from, mut to) = (from as usize, (to as usize + 1).min(text.len()));
        let before = text.get(..from).unwrap_or_default().trim_end();
        match &part.expr {
            Expr::Select(select) => {
                // A field stands behind its dot.
                let rest = text.get(from..).unwrap_or_default();
                if let Some(at) = rest.find(select.field.as_str()) {
                    to = to.max(from + at + select.field.len());
                }
            }
            // A call stands where its parenthesis opens, and its name before that.
            Expr::Call(call) if call.target.is_none() && before.ends_with(call.func_name.as_str()) => {
                from = before.len() - call.func_name.len();
            }
            _ => {}
        }
        (start, end) = (start.min(from), end.max(to));
    });
    // Brackets that are opened or closed inside belong to it as a whole.
    while let Some((open, close)) = pairs
        .iter()
        .find(|(open, close)| (start..end).contains(open) != (start..end).contains(close))
    {
        (start, end) = (start.min(*open), end.max(close + 1));
    }
    (start, end)
}

/// The brackets that belong together, as bytes of the text; those inside texts are none.
fn pairs(text: &str) -> Vec<(usize, usize)> {
    let (mut pairs, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match letter {
            '(' | '[' | '{' => open.push(at),
            ')' | ']' | '}' => pairs.extend(open.pop().map(|open| (open, at))),
            '"' | '\'' => {
                at = text_end(text, at);
                continue;
            }
            _ => {}
        }
        at += letter.len_utf8();
    }
    pairs
}

/// The byte behind the text literal whose quotation mark stands at `start`.
fn text_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mark = rest.get(..1).unwrap_or_default();
    let triple = mark.repeat(3);
    let mark = if rest.starts_with(&triple) { &triple } else { mark };
    let raw = text
        .get(..start)
        .is_some_and(|before| before.ends_with(['r', 'R']));
    let mut at = start + mark.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(mark) {
            return at + mark.len();
        }
        let mut letters = rest.chars();
        let first = letters.next().map_or(1, char::len_utf8);
        let escaped = !raw && rest.starts_with('\\');
        at += first
            + if escaped {
                letters.next().map_or(0, char::len_utf8)
            } else {
                0
            };
    }
    text.len()
}
