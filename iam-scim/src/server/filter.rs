//! The filter grammar of RFC 7644 section 3.4.2.2, and what Entra ID sends outside of it:
//! `emails[type eq "work"].value eq "x"`.
//!
//! ```text
//! filter = and *("or" and)            and = factor *("and" factor)
//! factor = ["not"] "(" filter ")" / name "[" filter "]" ["." sub test] / name test
//! test   = "pr" / operator literal
//! ```

use super::problem::Problem;
use super::text::{Name, Scanner};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Present,
    Compare(Operator, Literal),
}

/// A filter over names `N` and tests `T`: as read, or bound to a resource type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr<N, T> {
    And(Vec<Expr<N, T>>),
    Or(Vec<Expr<N, T>>),
    Not(Box<Expr<N, T>>),
    Is(N, T),
    /// Some element of the list for which `inner` holds (and whose sub-attribute passes the test).
    Any {
        list: N,
        inner: Box<Expr<N, T>>,
        then: Option<(N, T)>,
    },
}

/// A filter as read, not yet bound to a resource type.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub(crate) Expr<Name, Test>);

impl Filter {
    /// Reads a filter of at most 16 KiB, 50 levels and 1000 comparisons; the error names the position in characters
    /// from 1.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut scan = Scanner::new(text)?;
        let expr = filter(&mut scan)?;
        scan.space();
        if scan.done() {
            Ok(Self(expr))
        } else {
            Err(scan.expected("`and`, `or` or the end"))
        }
    }
}

type Raw = Expr<Name, Test>;

pub(crate) fn filter(scan: &mut Scanner<'_>) -> Result<Raw, Problem> {
    scan.deeper()?;
    let mut all = vec![and(scan)?];
    while joined(scan, "or")? {
        all.push(and(scan)?);
    }
    scan.shallower();
    Ok(one_or(all, Expr::Or))
}

fn and(scan: &mut Scanner<'_>) -> Result<Raw, Problem> {
    let mut all = vec![factor(scan)?];
    while joined(scan, "and")? {
        all.push(factor(scan)?);
    }
    Ok(one_or(all, Expr::And))
}

fn one_or(mut all: Vec<Raw>, join: fn(Vec<Raw>) -> Raw) -> Raw {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            join(all)
        }
        None => join(all),
    }
}

/// Whether the keyword joins another term here.
fn joined(scan: &mut Scanner<'_>, word: &str) -> Result<bool, Problem> {
    scan.space();
    if !scan.keyword(word) {
        return Ok(false);
    }
    if scan.space() || scan.next_is('(') {
        Ok(true)
    } else {
        Err(scan.expected("a space"))
    }
}

fn factor(scan: &mut Scanner<'_>) -> Result<Raw, Problem> {
    scan.space();
    if scan.next_is('(') {
        return group(scan);
    }
    if scan.keyword("not") {
        scan.space();
        if !scan.next_is('(') {
            return Err(scan.expected("`(` after `not`"));
        }
        return Ok(Expr::Not(Box::new(group(scan)?)));
    }
    let name = scan.name()?;
    if !scan.next_is('[') {
        return Ok(Expr::Is(name, test(scan)?));
    }
    let inner = Box::new(bracket(scan)?);
    let then = if scan.next_is('.') {
        Some((sub(scan)?, test(scan)?))
    } else {
        None
    };
    Ok(Expr::Any {
        list: name,
        inner,
        then,
    })
}

fn group(scan: &mut Scanner<'_>) -> Result<Raw, Problem> {
    scan.need('(')?;
    let inner = filter(scan)?;
    scan.space();
    scan.need(')')?;
    Ok(inner)
}

/// `[filter]`
pub(crate) fn bracket(scan: &mut Scanner<'_>) -> Result<Raw, Problem> {
    scan.need('[')?;
    let inner = filter(scan)?;
    scan.space();
    scan.need(']')?;
    Ok(inner)
}

/// `.sub`
pub(crate) fn sub(scan: &mut Scanner<'_>) -> Result<Name, Problem> {
    scan.need('.')?;
    let name = scan.name()?;
    if name.urn.is_some() || name.sub.is_some() {
        return Err(Problem::filter("expected one sub-attribute").at(name.at));
    }
    Ok(name)
}

fn test(scan: &mut Scanner<'_>) -> Result<Test, Problem> {
    scan.term()?;
    if !scan.space() {
        return Err(scan.expected("a space and an operator"));
    }
    let at = scan.position();
    let word = scan.word();
    let operator = match word.to_ascii_lowercase().as_str() {
        "pr" => return Ok(Test::Present),
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "co" => Operator::Co,
        "sw" => Operator::Sw,
        "ew" => Operator::Ew,
        "gt" => Operator::Gt,
        "ge" => Operator::Ge,
        "lt" => Operator::Lt,
        "le" => Operator::Le,
        _ => {
            let expected = "expected an operator (eq ne co sw ew gt ge lt le pr)";
            return Err(Problem::filter(expected).at(at));
        }
    };
    if !scan.space() {
        return Err(scan.expected("a space and a value"));
    }
    Ok(Test::Compare(operator, literal(scan)?))
}

fn literal(scan: &mut Scanner<'_>) -> Result<Literal, Problem> {
    if scan.next_is('"') {
        return scan.string().map(Literal::Text);
    }
    let at = scan.position();
    let word = scan.word();
    // Entra ID writes `True` and `False`.
    match word.to_ascii_lowercase().as_str() {
        "true" => Ok(Literal::Bool(true)),
        "false" => Ok(Literal::Bool(false)),
        "null" => Ok(Literal::Null),
        _ => serde_json::from_str(word).map(Literal::Number).map_err(|_| {
            let expected = "expected a value: a string in double quotes, a number, true, false or null";
            Problem::filter(expected).at(at)
        }),
    }
}
