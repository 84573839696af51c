//! The [`Gate`] before a delivery is believed: is it whole, and is it like the last good one?
//!
//! Invariants: pure (what was good before is an argument, whoever keeps it and stages the rows asks here); a delivery
//! that is held is held as a whole, never in part; what a delivery does *not* say is no evidence of anything: absence
//! is never a termination.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Summary;
use super::fields::{Cells, Field};

/// In how many rows each field had a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled([u64; Field::COUNT]);

impl Filled {
    /// Each field that had a value in some row: its own name (`employeeId`) and in how many.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = Field::all().zip(self.0);
        counts
            .filter(|(_, rows)| *rows > 0)
            .map(|(field, rows)| (field.name(), rows))
    }

    pub(super) fn count(&mut self, cells: &Cells<'_>) {
        for (rows, cell) in self.0.iter_mut().zip(cells) {
            *rows += u64::from(cell.is_some_and(|text| !text.is_empty()));
        }
    }
}

/// What is remembered of one delivery: numbers and field names, nobody's data. A delivery may come in several
/// readings, one for each page or file.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{CsvIntake, Delivery, Gate, Intake};
///
/// let deliver = |table: &str| -> iam_core::error::Result<Delivery> {
///     let mut delivery = Delivery::default();
///     let read = CsvIntake::new().read(&mut table.as_bytes(), &mut |_| ControlFlow::Continue(()));
///     delivery.add(&read?);
///     Ok(delivery)
/// };
/// let rows = |n: u32| (0..n).map(|n| format!("W-{n},Ada,Active\n")).collect::<String>();
/// let good = deliver(&format!("Employee ID,First Name,Status\n{}", rows(1000)))?;
/// let cut = deliver(&format!("Employee ID,First Name,Status\n{}", rows(700)))?;
///
/// assert!(Gate::default().findings(None, &good).is_empty());
/// let held = Gate::default().findings(Some(&good), &cut);
/// assert_eq!(held[0].to_string(), "700 rows, 30 % fewer than the 1000 of the last good delivery (at most 10 %)");
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Delivery {
    /// Rows of all readings.
    pub rows: u64,
    /// Good ones.
    pub records: u64,
    /// Refused ones.
    pub rejects: u64,
    /// In how many rows each field had a value, by its own name.
    pub fields: BTreeMap<String, u64>,
    /// The fingerprint of the header, where there is one; of several, the first.
    pub schema: Option<u64>,
    /// Rows that the source says it has in all.
    pub announced_rows: Option<u64>,
    /// Pages that the source says it has in all.
    pub announced_pages: Option<u64>,
    /// The numbers of the pages that came.
    pub pages: BTreeSet<u64>,
    /// Pages that hold another number of rows than they say.
    short: BTreeMap<u64, (u64, u64)>,
    /// Pages that came twice.
    twice: BTreeSet<u64>,
    /// Why a reading failed.
    broken: Option<String>,
}

impl Delivery {
    /// Adds a page or file that was read to its end.
    pub fn add(&mut self, read: &Summary) {
        self.rows += read.rows;
        self.records += read.records;
        self.rejects += read.rejects;
        for (field, rows) in read.fields.iter() {
            match self.fields.get_mut(field) {
                Some(sum) => *sum += rows,
                None => drop(self.fields.insert(field.to_owned(), rows)),
            }
        }
        self.schema = self.schema.or(read.schema);
        let Some(pages) = read.pages else { return };
        self.announced_rows = pages.total_results.or(self.announced_rows);
        self.announced_pages = pages.total_pages.or(self.announced_pages);
        let page = pages.page.unwrap_or(1);
        if !self.pages.insert(page) {
            self.twice.insert(page);
        }
        if let Some(said) = pages.page_results
            && said != read.rows
        {
            self.short.insert(page, (said, read.rows));
        }
    }

    /// Notes that a reading failed: what came before it is not the whole.
    pub fn fail(&mut self, why: &crate::error::Error) {
        self.broken.get_or_insert_with(|| why.to_string());
    }
}

/// When a delivery is held. All percentages are of the last good delivery unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Gate {
    /// How much shorter than the last good one a delivery may be, in percent (default 10). `None` for sources that
    /// deliver changes only.
    pub max_loss_percent: Option<u64>,
    /// How much longer, in percent (default 50); `None` for any.
    pub max_growth_percent: Option<u64>,
    /// A change by so many rows is never held (default 5), so that small companies are not in percent.
    pub small: u64,
    /// How many of its own rows may be refused, in percent (default 10).
    pub max_reject_percent: u64,
    /// How much of its values a field may lose, in percent of the share of rows that had one (default 50). Applies to
    /// fields that a tenth of the rows had.
    pub max_field_loss_percent: u64,
    /// Whether another header is held (default: yes).
    pub same_schema: bool,
    /// Whether no rows at all are held (default: yes). Only a source that delivers changes may say no.
    pub never_empty: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            max_loss_percent: Some(10),
            max_growth_percent: Some(50),
            small: 5,
            max_reject_percent: 10,
            max_field_loss_percent: 50,
            same_schema: true,
            never_empty: true,
        }
    }
}

/// Why a delivery is held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A reading failed.
    Broken {
        /// What it said.
        why: String,
    },
    /// It has no rows.
    Empty {
        /// Rows of the last good one, if there is one.
        before: Option<u64>,
    },
    /// It has far fewer rows.
    Fewer {
        /// Rows.
        rows: u64,
        /// Rows of the last good one.
        before: u64,
        /// How many fewer, in percent.
        percent: u64,
        /// How many fewer may be.
        limit: u64,
    },
    /// It has far more rows.
    More {
        /// Rows.
        rows: u64,
        /// Rows of the last good one.
        before: u64,
        /// How many more, in percent.
        percent: u64,
        /// How many more may be.
        limit: u64,
    },
    /// Too many of its rows were refused.
    Rejected {
        /// Refused ones.
        rejects: u64,
        /// Rows.
        rows: u64,
        /// The share, in percent.
        percent: u64,
        /// How many may be.
        limit: u64,
    },
    /// The source announced another number of rows.
    Truncated {
        /// Rows that came.
        rows: u64,
        /// Rows that were announced.
        announced: u64,
    },
    /// Not all pages came.
    MissingPages {
        /// Pages that came.
        received: u64,
        /// Pages that were announced.
        announced: u64,
        /// The first that is missing.
        first: u64,
    },
    /// A page came twice.
    RepeatedPage {
        /// Which.
        page: u64,
    },
    /// A page holds another number of rows than it says.
    ShortPage {
        /// Which.
        page: u64,
        /// Rows that came.
        rows: u64,
        /// Rows that it announced.
        announced: u64,
    },
    /// A field that was usual has no value in any row.
    MissingField {
        /// The field's own name.
        field: String,
        /// In how many rows of the last good delivery it had one.
        before: u64,
    },
    /// A field has values in far fewer rows.
    EmptierField {
        /// The field's own name.
        field: String,
        /// The share of rows with a value, in percent.
        percent: u64,
        /// The same of the last good delivery.
        before: u64,
    },
    /// The header is another one.
    OtherSchema,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { why } => write!(f, "it could not be read to its end: {why}"),
            Self::Empty { before: None } => f.write_str("no rows"),
            Self::Empty { before: Some(before) } => {
                write!(f, "no rows, {before} in the last good delivery")
            }
            Self::Fewer {
                rows,
                before,
                percent,
                limit,
            } => write!(
                f,
                "{rows} rows, {percent} % fewer than the {before} of the last good delivery (at most {limit} %)"
            ),
            Self::More {
                rows,
                before,
                percent,
                limit,
            } => write!(
                f,
                "{rows} rows, {percent} % more than the {before} of the last good delivery (at most {limit} %)"
            ),
            Self::Rejected {
                rejects,
                rows,
                percent,
                limit,
            } => write!(
                f,
                "{rejects} of {rows} rows were refused, {percent} % (at most {limit} %)"
            ),
            Self::Truncated { rows, announced } => {
                write!(f, "{rows} rows came, {announced} were announced")
            }
            Self::MissingPages {
                received,
                announced,
                first,
            } => write!(
                f,
                "{received} of {announced} pages came, the first one missing is page {first}"
            ),
            Self::RepeatedPage { page } => write!(f, "page {page} came twice"),
            Self::ShortPage {
                page,
                rows,
                announced,
            } => write!(f, "page {page} holds {rows} rows and announces {announced}"),
            Self::MissingField { field, before } => write!(
                f,
                "field {field} has no value in any row, it had one in {before} rows of the last good delivery"
            ),
            Self::EmptierField {
                field,
                percent,
                before,
            } => write!(
                f,
                "field {field} has a value in {percent} % of the rows, in the last good delivery in {before} %"
            ),
            Self::OtherSchema => f.write_str("the columns are others than those of the last good delivery"),
        }
    }
}

impl Gate {
    /// Why the delivery is held; none: it may be released, and is the last good one from then on. A delivery that
    /// is held changes nothing, neither the last good one nor anybody's access.
    #[must_use]
    pub fn findings(&self, last_good: Option<&Delivery>, present: &Delivery) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(why) = &present.broken {
            found.push(Finding::Broken { why: why.clone() });
        }
        if present.rows == 0 && self.never_empty {
            let before = last_good.map(|good| good.rows);
            found.push(Finding::Empty { before });
        }
        whole(present, &mut found);
        let percent = share(present.rejects, present.rows);
        if present.rejects > self.small && percent > self.max_reject_percent {
            found.push(Finding::Rejected {
                rejects: present.rejects,
                rows: present.rows,
                percent,
                limit: self.max_reject_percent,
            });
        }
        if let Some(good) = last_good.filter(|_| present.rows > 0) {
            self.compare(good, present, &mut found);
        }
        found
    }

    fn compare(&self, good: &Delivery, present: &Delivery, found: &mut Vec<Finding>) {
        let (rows, before) = (present.rows, good.rows);
        let percent = share(rows.abs_diff(before), before);
        let limit = if rows < before {
            self.max_loss_percent
        } else {
            self.max_growth_percent
        };
        if let Some(limit) = limit.filter(|limit| percent > *limit && rows.abs_diff(before) > self.small) {
            found.push(if rows < before {
                Finding::Fewer {
                    rows,
                    before,
                    percent,
                    limit,
                }
            } else {
                Finding::More {
                    rows,
                    before,
                    percent,
                    limit,
                }
            });
        }
        for (field, filled) in &good.fields {
            let now = present.fields.get(field).copied().unwrap_or_default();
            let (then, percent) = (share(*filled, before), share(now, rows));
            // What few rows have comes and goes.
            if then < 10 || *filled <= self.small {
                continue;
            }
            if now == 0 {
                found.push(Finding::MissingField {
                    field: field.clone(),
                    before: *filled,
                });
            } else if percent < then && share(then - percent, then) > self.max_field_loss_percent {
                found.push(Finding::EmptierField {
                    field: field.clone(),
                    percent,
                    before: then,
                });
            }
        }
        if self.same_schema && good.schema.is_some() && present.schema != good.schema {
            found.push(Finding::OtherSchema);
        }
    }
}

/// Whether the pages that came are those that were announced.
fn whole(present: &Delivery, found: &mut Vec<Finding>) {
    for (page, (announced, rows)) in &present.short {
        let (page, rows, announced) = (*page, *rows, *announced);
        found.push(Finding::ShortPage {
            page,
            rows,
            announced,
        });
    }
    found.extend(
        present
            .twice
            .iter()
            .map(|page| Finding::RepeatedPage { page: *page }),
    );
    if let Some(announced) = present.announced_pages {
        let missing = (1..=announced).find(|page| !present.pages.contains(page));
        found.extend(missing.map(|first| Finding::MissingPages {
            received: present.pages.len() as u64,
            announced,
            first,
        }));
    }
    if let Some(announced) = present
        .announced_rows
        .filter(|announced| *announced != present.rows)
    {
        found.push(Finding::Truncated {
            rows: present.rows,
            announced,
        });
    }
}

/// So many of these, in percent rounded up: a limit of 10 is exceeded by 10.1.
fn share(part: u64, of: u64) -> u64 {
    match of {
        0 => 0,
        of => u64::try_from((u128::from(part) * 100).div_ceil(u128::from(of))).unwrap_or(u64::MAX),
    }
}
