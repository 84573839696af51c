//! [`check`]: whether an expression names only what exists. CEL itself finds an unknown field only when a
//! person is evaluated.

use std::cmp::Ordering;

use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use regex::Regex;

use crate::person::Person;

use super::functions;
use super::source::hint;

/// What an expression is meant to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    Bool,
    Text,
}

const ROOTS: &[&str] = &["person", "manager", "today"];
/// The deepest tree of an expression: evaluation recurses, on whichever thread it is called.
const DEEPEST: usize = 32;

const COMPARISONS: &[&str] = &["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"];

/// Everything wrong with a program: the byte of its source, and what.
pub(super) fn check(program: &Program, gives: Gives) -> Vec<(usize, String)> {
    let mut check = Check {
        program,
        locals: Vec::new(),
        depth: 0,
        problems: Vec::new(),
    };
    check.walk(program.expression());
    if gives == Gives::Bool && check.problems.is_empty() && !may_be_bool(&program.expression().expr) {
        check
            .problems
            .push((0, "a condition must give true or false".to_owned()));
    }
    check.problems
}

fn may_be_bool(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::Call(call) => !functions::NOT_BOOL.contains(&call.func_name.as_str()),
        Expr::Comprehension(_) => true,
        _ => false,
    }
}

struct Check<'a> {
    program: &'a Program,
    /// Variables of the comprehensions around.
    locals: Vec<&'a str>,
    depth: usize,
    problems: Vec<(usize, String)>,
}

impl<'a> Check<'a> {
    /// Where an expression stands: a field where its name begins, behind the dot.
    fn offset(&self, id: u64) -> usize {
        let info = self.program.source_info();
        let at = info.offset_for(id).map_or(0, |(start, _)| start as usize);
        at + usize::from(info.source.as_bytes().get(at) == Some(&b'.'))
    }

    fn refuse(&mut self, at: &IdedExpr, message: impl Into<String>) {
        self.problems.push((self.offset(at.id), message.into()));
    }

    fn walk(&mut self, expr: &'a IdedExpr) {
        self.depth += 1;
        match self.depth.cmp(&DEEPEST) {
            Ordering::Less => self.walk_into(expr),
            Ordering::Equal => self.refuse(expr, "nested too deeply: split the rule"),
            Ordering::Greater => {}
        }
        self.depth -= 1;
    }

    fn walk_into(&mut self, expr: &'a IdedExpr) {
        match &expr.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.variable(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.walk(&entry.key);
                        self.walk(&entry.value);
                    }
                }
            }
            Expr::Comprehension(comprehension) => self.comprehension(expr, comprehension),
            Expr::Struct(_) => self.refuse(expr, "messages cannot be built here"),
        }
    }

    fn variable(&mut self, at: &IdedExpr, name: &str) {
        if self.locals.contains(&name) || name == "today" {
            return;
        }
        if ROOTS.contains(&name) {
            let message = format!("{name:?} alone is no value: name a field, or compare it with null");
            self.refuse(at, message);
        } else {
            let message = format!(
                "unknown variable {name:?}{} (known: {})",
                hint(name, ROOTS),
                ROOTS.join(", ")
            );
            self.refuse(at, message);
        }
    }

    /// `person` or `manager`, where an expression is one of them.
    fn root_of(&self, expr: &'a IdedExpr) -> Option<&'a str> {
        match &expr.expr {
            Expr::Ident(name) if !self.locals.contains(&name.as_str()) => {
                matches!(name.as_str(), "person" | "manager").then_some(name)
            }
            _ => None,
        }
    }

    /// The field, where an expression is `person.field` or `manager.field`.
    fn field_of(&self, expr: &'a IdedExpr) -> Option<&'a str> {
        match &expr.expr {
            Expr::Select(select) => self.root_of(&select.operand).map(|_| select.field.as_str()),
            _ => None,
        }
    }

    fn select(&mut self, at: &'a IdedExpr, select: &'a SelectExpr) {
        let field = select.field.as_str();
        if let Some(root) = self.root_of(&select.operand) {
            if !Person::FIELDS.contains(&field) {
                let hint = hint(field, Person::FIELDS);
                let known = Person::FIELDS.join(", ");
                self.refuse(
                    at,
                    format!("unknown field {root}.{field}{hint} (known fields: {known})"),
                );
            } else if select.test {
                self.refuse(
                    at,
                    format!("has({root}.{field}) is always true: write {root}.{field} != null"),
                );
            }
        } else if let Some(text) = self.field_of(&select.operand) {
            self.refuse(at, format!("{text} is a text and has no field {field:?}"));
        } else {
            self.walk(&select.operand);
        }
    }

    fn call(&mut self, at: &'a IdedExpr, call: &'a CallExpr) {
        let name = call.func_name.as_str();
        if let (true, [left, right]) = (COMPARISONS.contains(&name), call.args.as_slice()) {
            self.comparison(left, right);
            self.comparison(right, left);
            for side in [left, right] {
                let against_null = |other: &IdedExpr| matches!(other.expr, Expr::Literal(LiteralValue::Null));
                let compared = self.root_of(side).is_some() && (against_null(left) || against_null(right));
                if !compared {
                    self.walk(side);
                }
            }
            return;
        }
        if name == "_[_]"
            && let Some(root) = call.args.first().and_then(|operand| self.root_of(operand))
        {
            self.refuse(
                at,
                format!("write {root}.field instead of {root}[…], so that the field can be checked"),
            );
            return;
        }
        if let Some(target) = &call.target {
            self.walk(target);
        }
        call.args.iter().for_each(|argument| self.walk(argument));
        if name.starts_with(|first: char| first.is_alphabetic() || first == '.') || call.target.is_some() {
            self.function(at, call);
        }
    }

    fn function(&mut self, at: &IdedExpr, call: &'a CallExpr) {
        let name = call.func_name.as_str();
        if let Some(problem) = functions::problem(name, call.target.is_some(), call.args.len()) {
            self.problems.push((self.name_offset(at, name), problem));
        } else if name == "matches"
            && let [pattern] = call.args.as_slice()
            && let Expr::Literal(LiteralValue::String(text)) = &pattern.expr
            && Regex::new(text.inner()).is_err()
        {
            self.refuse(pattern, "not a regular expression (RE2 syntax)");
        }
    }

    /// A call stands where its parenthesis opens; its name stands before that.
    fn name_offset(&self, at: &IdedExpr, name: &str) -> usize {
        let open = self.offset(at.id);
        let before = self.program.source_info().source.get(..open).unwrap_or_default();
        if before.trim_end().ends_with(name) {
            before.trim_end().len() - name.len()
        } else {
            open
        }
    }

    /// A field, which is a text or null, compared with something that it can never be.
    fn comparison(&mut self, field: &'a IdedExpr, with: &'a IdedExpr) {
        let (Some(name), Expr::Literal(literal)) = (self.field_of(field), &with.expr) else {
            return;
        };
        match literal {
            LiteralValue::Null => {}
            LiteralValue::String(text) => {
                if name == "status" && !Person::STATUSES.contains(&text.inner()) {
                    self.refuse(with, format!("status is one of {}", Person::STATUSES.join(", ")));
                }
            }
            _ => self.refuse(with, format!("{name} is a text: compare it with a text")),
        }
    }

    fn comprehension(&mut self, at: &'a IdedExpr, comprehension: &'a ComprehensionExpr) {
        self.walk(&comprehension.iter_range);
        let own = [
            Some(&comprehension.iter_var),
            comprehension.iter_var2.as_ref(),
            Some(&comprehension.accu_var),
        ];
        let depth = self.locals.len();
        for variable in own.into_iter().flatten() {
            if ROOTS.contains(&variable.as_str()) {
                self.refuse(
                    at,
                    format!("{variable:?} is taken: give the variable another name"),
                );
            }
            self.locals.push(variable);
        }
        for part in [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.walk(part);
        }
        self.locals.truncate(depth);
    }
}
