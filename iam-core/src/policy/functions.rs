//! The functions that conditions may call: CEL's own for texts and lists, and `days_until` and `days_since`.

use std::ops::RangeInclusive;

use cel::common::types::{CelInt, CelString};
use cel::common::value::CowVal;
use cel::{Context, DeclarationError, ExecutionError, FunctionContext};
use jiff::civil::Date;

use super::source::hint;

/// How a function is called: on a value (`text.contains("x")`) or with arguments only (`size(text)`).
enum Style {
    Member(RangeInclusive<usize>),
    Global,
    Both,
}

const FUNCTIONS: &[(&str, Style)] = &[
    ("contains", Style::Member(1..=1)),
    ("startsWith", Style::Member(1..=1)),
    ("endsWith", Style::Member(1..=1)),
    ("matches", Style::Member(1..=1)),
    ("lowerAscii", Style::Member(0..=0)),
    ("upperAscii", Style::Member(0..=0)),
    ("trim", Style::Member(0..=0)),
    ("charAt", Style::Member(1..=1)),
    ("indexOf", Style::Member(1..=2)),
    ("lastIndexOf", Style::Member(1..=2)),
    ("substring", Style::Member(1..=2)),
    ("replace", Style::Member(2..=3)),
    ("split", Style::Member(1..=2)),
    ("join", Style::Member(0..=1)),
    ("size", Style::Both),
    ("string", Style::Global),
    ("int", Style::Global),
    ("double", Style::Global),
    ("days_until", Style::Global),
    ("days_since", Style::Global),
];

/// Functions and operators that give numbers or texts, never true or false.
pub(super) const NOT_BOOL: &[&str] = &[
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
    "size",
    "string",
    "int",
    "double",
    "days_until",
    "days_since",
    "lowerAscii",
    "upperAscii",
    "trim",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "substring",
    "replace",
    "split",
    "join",
];

/// What is wrong with a call, if anything.
pub(super) fn problem(name: &str, on_value: bool, arguments: usize) -> Option<String> {
    let Some((_, style)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
        let hint = hint(name, &names);
        return Some(format!(
            "unknown function {name:?}{hint} (known: {})",
            names.join(", ")
        ));
    };
    match style {
        Style::Member(counts) if !on_value || !counts.contains(&arguments) => {
            let (least, most) = (counts.start(), counts.end());
            let range = if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            };
            Some(format!(
                "{name} is called as value.{name}(…), number of arguments: {range}"
            ))
        }
        Style::Global if on_value || arguments != 1 => {
            Some(format!("{name} is called as {name}(…), number of arguments: 1"))
        }
        Style::Both if arguments + usize::from(on_value) != 1 => Some(format!("{name} takes one value")),
        _ => None,
    }
}

/// The shape of functions that the crate takes as they are.
pub(super) type Function = Box<
    dyn for<'context, 'call> Fn(
            &mut FunctionContext<'context, 'call>,
        ) -> Result<CowVal<'context, 'call>, ExecutionError>
        + Send
        + Sync,
>;

/// Adds our own functions.
///
/// # Errors
/// When functions of these names are there already.
pub(super) fn declare(root: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    let until: Function = Box::new(|call| days(call, 1));
    let since: Function = Box::new(|call| days(call, -1));
    root.add_function("days_until", until)?;
    root.add_function("days_since", since)
}

/// Whole days from today to a date (`direction` 1) or from a date to today (-1).
fn days<'context, 'call>(
    call: &mut FunctionContext<'context, 'call>,
    direction: i64,
) -> Result<CowVal<'context, 'call>, ExecutionError> {
    let text = |value: &CowVal<'_, '_>| {
        value
            .downcast_ref::<CelString>()
            .map(|text| text.inner().to_owned())
    };
    let [argument] = call.args.as_slice() else {
        return Err(call.error("takes one date"));
    };
    let date = text(argument).ok_or_else(|| call.error("needs a date, and the value is not set"))?;
    let today = call
        .ptx
        .get_variable("today")
        .as_ref()
        .and_then(text)
        .unwrap_or_default();
    let parse = |text: &str| {
        text.parse::<Date>()
            .map_err(|_| call.error("needs a date written yyyy-mm-dd"))
    };
    let (date, today) = (parse(&date)?, parse(&today)?);
    let days = today
        .until(date)
        .map_err(|_| call.error("needs a date of this age"))?
        .get_days();
    Ok(CowVal::owned(CelInt::from(i64::from(days) * direction)))
}
