//! Separation of duties: `[[conflict]]` sections, what one person must not hold together.
//!
//! Invariant: a conflict takes nothing away because of doubt. It keeps things from being given; it takes away only
//! what no rule asks for any more, or what the policy itself says gives way.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::entitlement::Reference;

use super::expression::Expression;
use super::index::{self, Exception};
use super::rules::{Rules, alike};
use super::schema::Gives;
use super::sections::{self, ENTITLEMENTS};
use super::source::{Position, Section, Source};
use super::{Document, PolicyProblems, Subject};

/// What becomes of somebody for whom the rules ask for two sides of a [`Conflict`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolve {
    /// Neither side is given until somebody has looked; what is held already stays.
    #[default]
    Hold,
    /// The side that the conflict names first is given; the other sides are not, and go where they are held.
    First,
}

/// Things that one person must not hold together: nobody holds anything of two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The id in the policy.
    pub id: String,
    /// The sides, in the order of the policy; two at least.
    pub sides: Vec<Vec<Reference>>,
    /// What becomes of somebody for whom the rules ask for two of them.
    pub resolve: Resolve,
}

impl Conflict {
    /// A conflict between these sides, that nobody but a person resolves.
    pub fn new(id: impl Into<String>, sides: Vec<Vec<Reference>>) -> Self {
        Self {
            id: id.into(),
            sides,
            resolve: Resolve::Hold,
        }
    }
}

/// A `[[conflict]]` section.
#[derive(Debug)]
pub(super) struct Clash {
    conflict: Conflict,
    /// Where each reference stands, side by side.
    places: Vec<Vec<Position>>,
    except: Option<(Expression, Exception)>,
}

/// Reads every `[[conflict]]`.
pub(super) fn conflicts(top: &Section<'_, '_>, rules: &mut Rules, source: &mut Source<'_>) -> Vec<Clash> {
    let mut ids = BTreeSet::new();
    let mut clashes = Vec::new();
    let known = ["id", "between", "except", "resolve"];
    for section in top.children("conflict", "[[conflict]]", &known, &[], source) {
        let id = section.required("id", source);
        let name = id.as_ref().map_or("(no id)", |id| id.value);
        if let Some(id) = &id
            && !ids.insert(id.value)
        {
            source.refuse(
                id.span.start,
                format!("conflict id {name:?} is taken: ids are unique"),
            );
        }
        let (mut sides, mut places): (Vec<Vec<Reference>>, Vec<Vec<Position>>) = (Vec::new(), Vec::new());
        for side in section.children("between", "a side of [[conflict]]", &ENTITLEMENTS, &[], source) {
            let (side_of, places_of): (Vec<_>, Vec<_>) =
                sections::references(&side, source).into_iter().unzip();
            if side_of.is_empty() && !["azure", "apps"].iter().any(|key| side.has(key)) {
                source.refuse(side.at, format!("a side of conflict {name:?} names nothing"));
            }
            let twice = side_of
                .iter()
                .find(|what| sides.iter().flatten().any(|other| alike(what, other)));
            if let Some(what) = twice {
                source.refuse(
                    side.at,
                    format!("conflict {name:?}: {what} stands on two sides, so that nobody could hold it"),
                );
            }
            sides.push(side_of);
            places.push(places_of);
        }
        if sides.len() < 2 {
            let at = section
                .value("between")
                .map_or(section.at, |(span, _)| span.start);
            let expected = "two sides at least, such as [{ groups = [\"a\"] }, { roles = [\"b\"] }]";
            section.refuse("between", at, expected, source);
        }
        let except = section.text("except", source);
        let except =
            except.and_then(|except| Expression::compile(&except, Gives::Bool, &mut rules.language, source));
        let resolve = match section.text("resolve", source) {
            Some(written) if written.value == "first" => Resolve::First,
            Some(written) if written.value != "hold" => {
                section.refuse("resolve", written.span.start, "\"hold\" or \"first\"", source);
                Resolve::Hold
            }
            _ => Resolve::Hold,
        };
        let conflict = Conflict {
            id: name.to_owned(),
            sides,
            resolve,
        };
        clashes.push(Clash {
            conflict,
            places,
            except: except.map(|except| {
                let memo = index::exception(&except);
                (except, memo)
            }),
        });
    }
    clashes
}

impl Clash {
    pub(super) fn conflict(&self) -> &Conflict {
        &self.conflict
    }

    pub(super) fn except(&self) -> Option<&Expression> {
        self.except.as_ref().map(|(except, _)| except)
    }

    /// Every mention of a reference, and where.
    pub(super) fn mentions(&self) -> impl Iterator<Item = (&str, Position, &Reference)> {
        let sides = self.conflict.sides.iter().zip(&self.places);
        sides.flat_map(|(side, places)| {
            let named = side.iter().zip(places);
            named.map(|(what, place)| (self.conflict.id.as_str(), *place, what))
        })
    }
}

impl Document {
    /// The conflicts that apply to somebody on the day `today`.
    pub(super) fn clashing(
        &self,
        subject: &Subject<'_>,
        today: Date,
    ) -> Result<Vec<&Conflict>, PolicyProblems> {
        let (mut applying, mut problems) = (Vec::new(), Vec::new());
        for clash in self.clashes() {
            let excepted = clash.except.as_ref().map_or(Ok(false), |(except, memo)| {
                let memo = self.index().map(|_| memo);
                index::ask(except, memo, &self.rules().language, subject, today)
            });
            match excepted {
                Ok(false) => applying.push(clash.conflict()),
                Ok(true) => {}
                Err(why) => problems.push(format!("conflict {}: {why}", clash.conflict.id)),
            }
        }
        if problems.is_empty() {
            Ok(applying)
        } else {
            Err(PolicyProblems(problems))
        }
    }
}
