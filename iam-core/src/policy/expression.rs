//! [`Expression`]: one CEL expression, checked when the policy loads and evaluated per person.
//!
//! Invariants: an expression that names a field, variable or function that does not exist never loads; what
//! goes wrong at run time is said without a person's data.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use cel::common::types::{CelBool, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError, IdedExpr, Value, extensions};
use jiff::civil::Date;

use crate::error::{Error, ErrorKind};
use crate::person::Person;

use super::Subject;
use super::clause::Clauses;
use super::functions;
use super::patterns;
use super::schema;
use super::source::{Found, Source};

/// The longest expression, in bytes, and the deepest nesting of brackets: the parser recurses, and what is
/// longer or deeper could exhaust the stack that [`super::Document::parse`] gives it.
const LONGEST: usize = 4096;
const DEEPEST: usize = 64;

/// What all expressions share: the functions. Made once, as it is dear to make.
pub(super) struct Language {
    env: Arc<Env>,
    root: Context<'static, 'static>,
    patterns: usize,
}

impl Language {
    /// CEL's standard library, its string functions, and ours: `days_until(date)` and `days_since(date)`.
    ///
    /// # Errors
    /// None in practice: the crate would have to declare functions of the same name.
    pub(super) fn new() -> Result<Self, Error> {
        let declare = |error| Error::new(ErrorKind::Other, "CEL could not be set up").with_source(error);
        let mut env = Env::stdlib().with_optional_support(false);
        env.add_extension(extensions::strings).map_err(declare)?;
        let env = Arc::new(env);
        let mut root = Context::with_env(Arc::clone(&env));
        functions::declare(&mut root).map_err(declare)?;
        Ok(Self {
            env,
            root,
            patterns: 0,
        })
    }

    /// The names that expressions see when asked about one person on one day.
    pub(super) fn facts<'s>(&'s self, subject: &Subject<'s>, today: Date) -> Context<'s, 's> {
        let mut facts = self.people(subject);
        on(&mut facts, today);
        facts
    }

    /// The same without the day, for those who ask about several.
    pub(super) fn people<'s>(&'s self, subject: &Subject<'s>) -> Context<'s, 's> {
        let root: &'s Context<'s, 's> = &self.root;
        let mut facts = root.new_inner_scope();
        facts.add_variable_as_val("person", fields(subject.person));
        facts.add_variable_as_val("manager", subject.manager.map_or_else(null, fields));
        facts
    }
}

/// Says which day it is.
pub(super) fn on(facts: &mut Context<'_, '_>, today: Date) {
    facts.add_variable_as_val("today", Box::new(CelString::from(today.to_string())));
}

fn null<'v>() -> Box<dyn Val + 'v> {
    Box::new(CelNull)
}

fn fields<'v>(person: &'v Person) -> Box<dyn Val + 'v> {
    let value = |field: &str| -> Box<dyn Val + 'v> {
        match person.field(field) {
            None => null(),
            Some(Cow::Borrowed(text)) => Box::new(CelString::from(text)),
            Some(Cow::Owned(text)) => Box::new(CelString::from(text)),
        }
    };
    let fields = Person::FIELDS.iter();
    let fields: HashMap<CelMapKey<'v>, _> = fields
        .map(|field| (CelMapKey::from(*field), value(field)))
        .collect();
    Box::new(CelMap::from(fields))
}

/// One compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    root: IdedExpr,
    clauses: Clauses,
}

impl Expression {
    /// Compiles and checks an expression that stands in the policy's text. Everything wrong with it is
    /// reported at its place there.
    pub(super) fn compile(
        written: &Found<&str>,
        gives: schema::Gives,
        language: &mut Language,
        source: &mut Source<'_>,
    ) -> Option<Self> {
        if written.value.len() > LONGEST {
            source.refuse(
                written.span.start,
                format!("an expression has at most {LONGEST} characters: split the rule"),
            );
            return None;
        }
        if depth(written.value) > DEEPEST {
            source.refuse(
                written.span.start,
                format!("brackets nest {DEEPEST} deep at most: split the rule"),
            );
            return None;
        }
        let program = match language.env.compile(written.value) {
            Ok(program) => program,
            Err(errors) => {
                // What follows the first error follows from it.
                let first = errors.errors.first();
                let at = first.map_or(0, |error| offset(written.value, error.pos));
                let message = first.map_or("unreadable", |error| error.msg.as_str());
                let message = if message.contains("Recursion limit") {
                    "nested too deeply"
                } else {
                    message
                };
                let message = message.split(" expecting {").next().unwrap_or_default();
                source.refuse(source.inside(&written.span, at), format!("not CEL: {message}"));
                return None;
            }
        };
        let problems = schema::check(&program, gives);
        for (offset, problem) in &problems {
            source.refuse(source.inside(&written.span, *offset), problem.as_str());
        }
        if !problems.is_empty() {
            return None;
        }
        // Before patterns are compiled: what is shown is what was written.
        let place = |at| source.position(source.inside(&written.span, at));
        let clauses = Clauses::of(program.expression(), program.source_info(), place);
        let mut root = program.expression().clone();
        let compiled = patterns::compile(&mut root, &mut language.root, &mut language.patterns);
        if let Err(error) = compiled {
            source.refuse(written.span.start, error.to_string());
            return None;
        }
        Some(Self { root, clauses })
    }

    /// The tree, and what its parts were written as.
    pub(super) fn parts(&self) -> (&IdedExpr, &Clauses) {
        (&self.root, &self.clauses)
    }

    /// Whether the value may differ from day to day for the same facts.
    pub(super) fn depends_on_date(&self) -> bool {
        let named = self.root.references();
        named.has_variable("today") || named.has_function("days_until") || named.has_function("days_since")
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why that cannot be said, in one clause.
    pub(super) fn holds(&self, facts: &Context<'_, '_>) -> Result<bool, String> {
        truth(&self.root, facts)
    }

    /// What the expression gives: true, false or a text, or why nothing.
    pub(super) fn value(&self, facts: &Context<'_, '_>) -> Result<Option<String>, String> {
        let value = Value::resolve_val(&self.root, facts).map_err(|error| explain(&error))?;
        if let Some(answer) = value.downcast_ref::<CelBool>() {
            return Ok(Some(answer.inner().to_string()));
        }
        drop(value);
        self.text(facts)
    }

    /// The text that the expression gives; `None` for null.
    ///
    /// # Errors
    /// Why there is none, in one clause.
    pub(super) fn text(&self, facts: &Context<'_, '_>) -> Result<Option<String>, String> {
        let value = Value::resolve_val(&self.root, facts).map_err(|error| explain(&error))?;
        if value.downcast_ref::<CelNull>().is_some() {
            return Ok(None);
        }
        let text = value
            .downcast_ref::<CelString>()
            .map(|text| text.inner().to_owned());
        text.map(Some)
            .ok_or_else(|| format!("expected a text or null, not {}", value.get_type().name()))
    }
}

/// Whether a part of a condition is true.
///
/// # Errors
/// Why that cannot be said, in one clause.
pub(super) fn truth(part: &IdedExpr, facts: &Context<'_, '_>) -> Result<bool, String> {
    let value = Value::resolve_val(part, facts).map_err(|error| explain(&error))?;
    let answer = value.downcast_ref::<CelBool>().map(|answer| *answer.inner());
    answer.ok_or_else(|| format!("a condition gives true or false, not {}", value.get_type().name()))
}

/// How deep brackets nest at most; those within texts count too.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The byte of `text` at a line and a column, both counted from 1, the column in characters.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// Says what went wrong at run time without the values, which are personal data.
fn explain(error: &ExecutionError) -> String {
    let types = |types: &[&str]| {
        let types: Vec<&str> = types.iter().map(|name| name.trim_end_matches("_type")).collect();
        let guard = if types.contains(&"null") {
            " (guard it with \"!= null\")"
        } else {
            ""
        };
        format!("{}{guard}", types.join(" and "))
    };
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let arguments: Vec<&str> = overload.argument_types().iter().map(String::as_str).collect();
            if overload.function() == "_._" {
                return "a field of nobody: there is no manager (guard it with \"manager != null\")"
                    .to_owned();
            }
            let function = overload.function().trim_matches(['_', '@']);
            format!("{function} does not work on {}", types(&arguments))
        }
        ExecutionError::ValuesNotComparable(left, right)
        | ExecutionError::UnsupportedBinaryOperator(_, left, right) => {
            let (left, right) = (left.type_of().to_string(), right.type_of().to_string());
            format!("no such operation on {}", types(&[&left, &right]))
        }
        ExecutionError::FunctionError { function, message } if function.starts_with("days_") => {
            format!("{function} {message}")
        }
        ExecutionError::FunctionError { function, .. } => format!("{function} failed"),
        ExecutionError::NoSuchKey(_) => "a key that is not in the map".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index beyond the end of the list".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number too large".to_owned(),
        _ => "values of types that do not go together".to_owned(),
    }
}
