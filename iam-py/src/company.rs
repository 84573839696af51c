//! A generated company and what its HR system exports: for demonstrations and tests.

use iam_core::{Error, ErrorKind};
use iam_sandbox::company;
use jiff::civil::Date;
use pyo3::prelude::*;

use crate::errors::raised;

/// People of many languages in offices around the world, and what HR enters about them in the course of time.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Company(company::Company);

#[pymethods]
impl Company {
    #[new]
    #[pyo3(signature = (people, *, start, exports = 2, every_days = 7, seed = 1, calm = false))]
    fn new(
        people: usize,
        start: &str,
        exports: usize,
        every_days: u16,
        seed: u64,
        calm: bool,
    ) -> PyResult<Self> {
        let start: Date = start.parse().map_err(|source: jiff::Error| {
            let wrong = format!("start: expected a civil date such as 2026-11-24, found {start:?}");
            raised(Error::new(ErrorKind::Invalid, wrong).with_source(source))
        })?;
        let mut builder = company::Company::of(people)
            .seed(seed)
            .from(start)
            .every_days(every_days)
            .deliveries(exports);
        if calm {
            builder = builder.calm();
        }
        Ok(Self(builder.build()))
    }

    /// The days of the exports.
    #[getter]
    fn days(&self) -> Vec<String> {
        self.0
            .deliveries()
            .map(|export| export.day().to_string())
            .collect()
    }

    /// One export as text.
    #[pyo3(signature = (number, format = "csv"))]
    fn export(&self, number: usize, format: &str) -> PyResult<String> {
        let wrong = |text: String| raised(Error::new(ErrorKind::Invalid, text));
        let export = self
            .0
            .deliveries()
            .nth(number)
            .ok_or_else(|| wrong(format!("there is no export {number}")))?;
        match format {
            "csv" => Ok(export.csv()),
            "json" => Ok(export.json()),
            "workday_events" => Ok(export.notices()),
            other => Err(wrong(format!(
                "format: expected csv, json or workday_events, found {other:?}"
            ))),
        }
    }
}
