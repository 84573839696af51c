//! Reading HR's files: bytes in, records and rejects out, one at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use iam_core::intake::{
    CsvIntake, FlatIntake, Item, Notice, RaasIntake, ScimIntake, Summary, WorkdayEventIntake,
    WorkdayJsonIntake, WorkdayXmlIntake,
};
use iam_core::person::Person;
use iam_core::{Error, ErrorKind, Result};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::convert::Json;
use crate::errors::raised;
use crate::results::{Day, Instant, Reject, results};

/// How many rows are read ahead.
const AHEAD: usize = 500;
/// How long a Ctrl-C may wait while a row is waited for.
const SIGNALS: Duration = Duration::from_millis(50);
/// How much is asked of a Python file at once.
const BUFFER: usize = 64 * 1024;

const KINDS: &str = "flat, csv, json, workday_xml, workday_events, raas_json, raas_csv, scim, bulk_upload";

/// A reader of one format.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Intake {
    kind: String,
    ignore: Vec<String>,
    ignore_unknown: bool,
}

#[pymethods]
impl Intake {
    #[new]
    #[pyo3(signature = (kind = "flat", *, ignore = Vec::new(), ignore_unknown = false))]
    fn new(kind: &str, ignore: Vec<String>, ignore_unknown: bool) -> PyResult<Self> {
        let made = Self {
            kind: kind.to_owned(),
            ignore,
            ignore_unknown,
        };
        made.reader().map_err(raised)?;
        Ok(made)
    }

    #[getter]
    fn kind(&self) -> &str {
        &self.kind
    }

    fn __repr__(&self) -> String {
        format!("Intake({:?})", self.kind)
    }

    /// Starts reading on a thread of its own.
    fn read(&self, input: Input) -> PyResult<Rows> {
        let intake = self.reader().map_err(raised)?;
        let mut input = input.open().map_err(raised)?;
        let (sender, items) = sync_channel(AHEAD);
        thread::Builder::new()
            .name("iam-platform intake".to_owned())
            .spawn(move || {
                let read = intake.read(&mut input, &mut |item| pass(&sender, item));
                let _ = sender.send(Told::End(read));
            })
            .map_err(|error| raised(no_thread(error)))?;
        Ok(Rows {
            items: Mutex::new(Some(items)),
            summary: Mutex::default(),
        })
    }
}

impl Intake {
    /// The reader of the core.
    pub(crate) fn reader(&self) -> Result<Box<dyn iam_core::intake::Intake>> {
        let (ignore, unknown) = (&self.ignore, self.ignore_unknown);
        let plain = |reader: Box<dyn iam_core::intake::Intake>| {
            if ignore.is_empty() && !unknown {
                return Ok(reader);
            }
            Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "an intake of kind {:?} ignores no fields: only tables and flat objects do",
                    self.kind
                ),
            ))
        };
        match self.kind.as_str() {
            "flat" => Ok(Box::new(FlatIntake::new().ignore(ignore).ignore_unknown(unknown))),
            "csv" => Ok(Box::new(
                CsvIntake::new().ignore(ignore).ignore_unknown_columns(unknown),
            )),
            "raas_csv" => Ok(Box::new(
                CsvIntake::of_report()
                    .ignore(ignore)
                    .ignore_unknown_columns(unknown),
            )),
            "json" | "workday_json" => Ok(Box::new(
                WorkdayJsonIntake::new()
                    .ignore(ignore)
                    .ignore_unknown_fields(unknown),
            )),
            "raas_json" => Ok(Box::new(
                RaasIntake::new().ignore(ignore).ignore_unknown_fields(unknown),
            )),
            "workday_xml" => plain(Box::new(WorkdayXmlIntake::new())),
            "workday_events" => plain(Box::new(WorkdayEventIntake::new())),
            "scim" | "bulk_upload" => plain(Box::new(ScimIntake::new())),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("there is no intake of kind {other:?}: expected one of {KINDS}"),
            )),
        }
    }
}

fn no_thread(error: io::Error) -> Error {
    Error::new(ErrorKind::Other, "no thread to read the input on").with_source(error)
}

enum Told {
    Item(Item),
    End(Result<Summary>),
}

fn pass(sender: &SyncSender<Told>, item: Item) -> ControlFlow<()> {
    match sender.send(Told::Item(item)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()), // nobody reads on
    }
}

/// What is read, row by row.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Rows {
    items: Mutex<Option<Receiver<Told>>>,
    summary: Mutex<Option<Summary>>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

#[pymethods]
impl Rows {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let item = match self.next(py)? {
            None => return Ok(None),
            Some(Item::Record(record)) => Record {
                row: record.row,
                person: record.person,
            }
            .into_pyobject(py)?
            .into_any(),
            Some(Item::Reject(reject)) => Reject::from(&reject).into_pyobject(py)?.into_any(),
            Some(Item::Notice(notice)) => HrNotice::from(&*notice).into_pyobject(py)?.into_any(),
            Some(_) => {
                return Err(PyValueError::new_err(
                    "the input holds what this version cannot show",
                ));
            }
        };
        Ok(Some(item.unbind()))
    }

    /// Rows seen, good ones, refused ones, and how often each field had a value; `None` before the end.
    #[getter]
    fn summary(&self) -> Option<Json> {
        let summary = (*self.summary.lock().unwrap_or_else(PoisonError::into_inner))?;
        let fields: std::collections::BTreeMap<_, _> = summary.fields.iter().collect();
        Some(Json(serde_json::json!({
            "rows": summary.rows,
            "records": summary.records,
            "rejects": summary.rejects,
            "fields": fields,
        })))
    }
}

impl Rows {
    fn next(&self, py: Python<'_>) -> PyResult<Option<Item>> {
        loop {
            // Nobody holds the lock and waits for the GIL.
            let told = py.detach(|| {
                let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
                let told = items.as_ref().map(|items| items.recv_timeout(SIGNALS));
                if matches!(told, Some(Ok(Told::End(_)) | Err(RecvTimeoutError::Disconnected))) {
                    *items = None;
                }
                told
            });
            match told {
                None => return Ok(None),
                Some(Ok(Told::Item(item))) => return Ok(Some(item)),
                Some(Ok(Told::End(read))) => {
                    let summary = read.map_err(raised)?;
                    *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
                    return Ok(None);
                }
                Some(Err(RecvTimeoutError::Timeout)) => py.check_signals()?,
                Some(Err(RecvTimeoutError::Disconnected)) => {
                    return Err(raised(Error::new(ErrorKind::Other, "the reader has died")));
                }
            }
        }
    }
}

/// One good row.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug, Clone)]
pub(crate) struct Record {
    #[pyo3(get)]
    row: u64,
    pub(crate) person: Person,
}

#[pymethods]
impl Record {
    #[getter]
    fn person(&self) -> &str {
        self.person.key.as_str()
    }

    #[getter]
    fn record(&self) -> Json {
        Json::of(&self.person)
    }

    fn to_dict(&self) -> Json {
        Json(serde_json::json!({ "row": self.row, "person": self.person(), "record": self.record().0 }))
    }

    fn __repr__(&self) -> String {
        format!("Record(row={}, person={:?})", self.row, self.person())
    }
}

results! {
    /// That something happened to somebody, without their record.
    HrNotice [row, event, person, process, effective] {
        row: u64,
        event: String,
        person: String,
        process: String,
        name: String,
        effective: Option<Day>,
        entered_at: Option<Instant>,
        urgent: bool,
        of: Option<String>,
    }
}

impl From<&Notice> for HrNotice {
    fn from(notice: &Notice) -> Self {
        Self {
            row: notice.row,
            event: notice.id.to_string(),
            person: notice.person.to_string(),
            process: notice.process.as_str().to_owned(),
            name: notice.name.clone(),
            effective: notice.effective.map(Day),
            entered_at: notice.entered.map(Instant),
            urgent: notice.urgent,
            of: notice.of.as_ref().map(ToString::to_string),
        }
    }
}

/// What is read from: bytes, a path, or an object with `read(size)` that answers bytes.
#[derive(Debug)]
pub(crate) enum Input {
    Bytes(Vec<u8>),
    Path(PathBuf),
    Object(Py<PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Input {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = given.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.as_bytes().to_vec()));
        }
        if let Ok(bytes) = given.cast::<PyByteArray>() {
            return Ok(Self::Bytes(bytes.to_vec()));
        }
        if given.cast::<PyString>().is_ok() || given.hasattr("__fspath__")? {
            return given.extract().map(Self::Path);
        }
        if given.hasattr("read")? {
            return Ok(Self::Object(given.to_owned().unbind()));
        }
        Err(PyTypeError::new_err(
            "expected bytes, a path, or a file that was opened in binary mode",
        ))
    }
}

impl Input {
    pub(crate) fn open(self) -> Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::Path(path) => {
                let file = File::open(&path).map_err(|source| {
                    let message = format!("{} cannot be read", path.display());
                    Error::new(ErrorKind::Invalid, message).with_source(source)
                })?;
                Box::new(BufReader::with_capacity(BUFFER, file))
            }
            Self::Object(object) => Box::new(BufReader::with_capacity(BUFFER, PythonFile(object))),
        })
    }
}

/// A file object of Python's.
struct PythonFile(Py<PyAny>);

impl Read for PythonFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let read = self.0.bind(py).call_method1("read", (buffer.len(),));
            let read = read.map_err(io::Error::other)?;
            let bytes = read.cast::<PyBytes>().map_err(|_| {
                io::Error::other("read(size) of the file answers no bytes: open it in binary mode, not async")
            })?;
            let bytes = bytes.as_bytes();
            let Some(room) = buffer.get_mut(..bytes.len()) else {
                return Err(io::Error::other(
                    "read(size) of the file answers more than it was asked for",
                ));
            };
            room.copy_from_slice(bytes);
            Ok(bytes.len())
        })
    }
}
