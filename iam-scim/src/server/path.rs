//! The path of a PATCH operation (RFC 7644 section 3.5.2): `name`, `name.sub`, `name[filter]`, `name[filter].sub`,
//! each possibly behind a URN.

use super::filter::{Expr, Test, bracket, sub};
use super::problem::Problem;
use super::text::{Name, Scanner};

/// A path as read, not yet bound to a resource type.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub(crate) name: Name,
    pub(crate) filter: Option<Expr<Name, Test>>,
    /// The sub-attribute behind the brackets.
    pub(crate) sub: Option<Name>,
}

impl Path {
    /// Reads a path within the bounds of a filter; the error names the position in characters from 1.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::read(text).map_err(Problem::of_path)
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let mut scan = Scanner::new(text)?;
        let name = scan.name()?;
        let (mut filter, mut after) = (None, None);
        if scan.next_is('[') {
            if name.sub.is_some() {
                return Err(scan.expected("no brackets behind a sub-attribute"));
            }
            filter = Some(bracket(&mut scan)?);
            if scan.next_is('.') {
                after = Some(sub(&mut scan)?);
            }
        }
        if !scan.done() {
            return Err(scan.expected("the end of the path"));
        }
        Ok(Self {
            name,
            filter,
            sub: after,
        })
    }
}
