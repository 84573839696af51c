//! Collections as iterators: lazy, one page in memory, given up by not asking on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iam_core::Result;
use iam_core::http::Pager;
use pyo3::prelude::*;
use serde_json::Value;

use crate::convert::Json;
use crate::runtime::{Ready, promise, wait};

/// A collection, where it is being read.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    pager: Arc<tokio::sync::Mutex<Pager>>,
    page: Arc<Mutex<Page>>,
}

/// What is left of the page that was read last.
#[derive(Debug, Default)]
struct Page {
    items: VecDeque<Value>,
    /// Where it came from, and where the next one is.
    here: Option<String>,
    next: Option<String>,
    count: Option<u64>,
    delta: Option<String>,
    ended: bool,
}

impl Page {
    fn link(&self) -> Option<&String> {
        if self.items.is_empty() {
            self.next.as_ref()
        } else {
            self.here.as_ref()
        }
    }
}

impl Pages {
    /// A collection that starts at that URL.
    pub(crate) fn new(pager: Pager, first: String) -> Self {
        let page = Page {
            next: Some(first),
            ..Page::default()
        };
        Self {
            pager: Arc::new(tokio::sync::Mutex::new(pager)),
            page: Arc::new(Mutex::new(page)),
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item, where the page at hand has one; whether the end is known.
    fn at_hand(&self) -> (Option<Json>, bool) {
        let mut page = self.page();
        let item = page.items.pop_front().map(Json);
        (item, page.ended)
    }

    async fn next(self) -> Result<Option<Json>> {
        let mut pager = self.pager.lock().await;
        loop {
            if let (Some(item), _) = self.at_hand() {
                return Ok(Some(item));
            }
            if !self.turn(&mut pager).await? {
                return Ok(None);
            }
        }
    }

    async fn all(self) -> Result<Vec<Json>> {
        let mut pager = self.pager.lock().await;
        let mut all = Vec::new();
        loop {
            all.extend(self.page().items.drain(..).map(Json));
            if !self.turn(&mut pager).await? {
                return Ok(all);
            }
        }
    }

    /// Reads the next page, if there is one.
    async fn turn(&self, pager: &mut Pager) -> Result<bool> {
        if self.page().ended {
            return Ok(false);
        }
        let read = pager.next_page().await?;
        let mut page = self.page();
        let Some(read) = read else {
            (page.ended, page.next) = (true, None);
            return Ok(false);
        };
        page.items = read.values.into();
        page.count = page.count.or(read.count);
        page.delta = read.delta;
        page.here = page.next.take();
        page.next = pager.link().map(str::to_owned);
        page.ended = page.next.is_none();
        Ok(true)
    }
}

/// The objects of a collection.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct Listing(pub(crate) Pages);

/// The objects of a collection, for `async for`.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncListing(pub(crate) Pages);

/// What both have.
macro_rules! facts {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            #[getter]
            fn count(&self) -> Option<u64> {
                self.0.page().count
            }

            #[getter]
            fn link(&self) -> Option<String> {
                self.0.page().link().cloned()
            }

            #[getter]
            fn delta_link(&self) -> Option<String> {
                self.0.page().delta.clone()
            }

            fn __repr__(&self) -> String {
                format!(
                    "<{} with {} at hand>",
                    stringify!($class),
                    self.0.page().items.len()
                )
            }
        }
    };
}
facts!(Listing);
facts!(AsyncListing);

#[pymethods]
impl Listing {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Json>> {
        match self.0.at_hand() {
            (None, false) => wait(py, self.0.clone().next()),
            (item, _) => Ok(item),
        }
    }

    fn all(&self, py: Python<'_>) -> PyResult<Vec<Json>> {
        wait(py, self.0.clone().all())
    }
}

#[pymethods]
impl AsyncListing {
    fn __aiter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ready = match self.0.at_hand() {
            (Some(item), _) => Ready::value(item.into_pyobject(py)?.unbind()),
            (None, true) => Ready::end(),
            (None, false) => {
                let pages = self.0.clone();
                return crate::runtime::turn(py, pages.next());
            }
        };
        Ok(Bound::new(py, ready)?.into_any())
    }

    fn all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        promise(py, self.0.clone().all())
    }
}

/// Writes the methods of a pair of clients that give a collection. A body makes the `Pages`, without waiting.
macro_rules! lists {
    ($sync:ident, $asynchronous:ident;
     $( $(#[$meta:meta])* fn $name:ident ( $this:ident $(, $arg:ident : $ty:ty)* $(,)? ) $body:block )*) => {
        #[allow(unused_braces)] // of one-line bodies
        #[pyo3::pymethods]
        impl $sync {
            $( $(#[$meta])*
            fn $name(&self $(, $arg: $ty)*) -> pyo3::PyResult<$crate::listing::Listing> {
                let $this = &self.0;
                let pages = || -> iam_core::Result<$crate::listing::Pages> { $body };
                pages().map($crate::listing::Listing).map_err($crate::errors::raised)
            } )*
        }

        #[allow(unused_braces)] // of one-line bodies
        #[pyo3::pymethods]
        impl $asynchronous {
            $( $(#[$meta])*
            fn $name(&self $(, $arg: $ty)*) -> pyo3::PyResult<$crate::listing::AsyncListing> {
                let $this = &self.0;
                let pages = || -> iam_core::Result<$crate::listing::Pages> { $body };
                pages().map($crate::listing::AsyncListing).map_err($crate::errors::raised)
            } )*
        }
    };
}
pub(crate) use lists;

/// The one object of a collection that holds one (`/organization`).
pub(crate) fn only(collection: Json) -> Json {
    let Json(Value::Object(mut collection)) = collection else {
        return collection;
    };
    match collection.remove("value") {
        Some(Value::Array(values)) => Json(values.into_iter().next().unwrap_or_default()),
        _ => Json(Value::Object(collection)),
    }
}
