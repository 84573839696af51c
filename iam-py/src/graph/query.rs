//! Query options as Python names them.

use iam_graph::query::{Filter, Query};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The most objects on one page, for collections that take `$top`.
pub(crate) const FULL: Option<u32> = Some(999);

/// Names: one text with commas in it, or several texts.
#[derive(Debug)]
pub(crate) struct Names(Vec<String>);

impl<'a, 'py> FromPyObject<'a, 'py> for Names {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(one) = given.cast::<PyString>() {
            return Ok(Self(vec![one.to_str()?.to_owned()]));
        }
        let names = given
            .try_iter()
            .and_then(|names| names.map(|name| name?.extract::<String>()).collect());
        names
            .map(Self)
            .map_err(|_| PyTypeError::new_err("a text, or a list of texts, is expected"))
    }
}

impl From<&str> for Names {
    fn from(names: &str) -> Self {
        Self(vec![names.to_owned()])
    }
}

impl Names {
    fn joined(&self) -> String {
        self.0.join(",")
    }

    /// The single names. None holds a comma of its own: they are names of properties.
    fn single(&self) -> Vec<String> {
        let names = self.0.iter().flat_map(|names| names.split(','));
        names.map(|name| name.trim().to_owned()).collect()
    }
}

/// Options of a request for a collection, or for one object.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) filter: Option<String>,
    pub(crate) search: Option<String>,
    pub(crate) select: Option<Names>,
    pub(crate) expand: Option<Names>,
    pub(crate) orderby: Option<Names>,
    pub(crate) top: Option<u32>,
    pub(crate) count: bool,
    pub(crate) advanced: Option<bool>,
}

impl Options {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            filter,
            search,
            select,
            expand,
            orderby,
            top,
            count,
            advanced,
        } = self;
        let texts = filter.is_none() && search.is_none();
        let names = select.is_none() && expand.is_none() && orderby.is_none();
        texts && names && top.is_none() && !count && advanced.is_none()
    }

    /// The query; with these properties where none are named, and pages of that size where none is given.
    /// [`Query::path`] checks it.
    pub(crate) fn query(self, select: &str, top: Option<u32>) -> Query {
        let mut query = match &self.select {
            Some(names) => Query::new().select(names.single()),
            None => Query::new().select(select.split(',').filter(|name| !name.is_empty())),
        };
        if let Some(filter) = self.filter {
            query = query.filter(Filter::raw(filter));
        }
        for property in self.orderby.iter().flat_map(Names::single) {
            query = match property.split_once(' ') {
                Some((property, "desc")) => query.order_by_descending(property),
                Some((property, "asc")) => query.order_by(property),
                _ => query.order_by(&property),
            };
        }
        // Related objects cost a page its size: the service chooses it.
        if let Some(top) = self.top.or(top.filter(|_| self.expand.is_none())) {
            query = query.top(top);
        }
        if self.count {
            query = query.count();
        }
        if let Some(expand) = &self.expand {
            query = query.option("$expand", &expand.joined());
        }
        if let Some(search) = &self.search {
            // Quotes are part of the option's syntax, and easily left out.
            let quoted = if search.contains('"') {
                search.clone()
            } else {
                format!("\"{search}\"")
            };
            query = query.option("$search", &quoted);
        }
        if let Some(advanced) = self.advanced.or(self.search.is_some().then_some(true)) {
            query = query.advanced(advanced);
        }
        query
    }
}

/// Writes methods that give collections, all with the same options: a path, the properties that are read unless others
/// are named, the size of a page unless another is given, and what the call is for.
macro_rules! collections {
    ($( fn $name:ident ( $($id:ident : $ty:ty),* ) { $path:expr, $select:expr, $top:expr, $operation:literal } )*) => {
        $crate::listing::lists! { GraphClient, AsyncGraphClient; $(
            #[pyo3(signature = ($($id,)* *, filter = None, search = None, select = None, expand = None, orderby = None,
                                top = None, count = false, advanced = None))]
            #[allow(clippy::too_many_arguments)] // they are keywords
            fn $name(this, $($id: $ty,)* filter: Option<String>, search: Option<String>,
                     select: Option<$crate::graph::query::Names>, expand: Option<$crate::graph::query::Names>,
                     orderby: Option<$crate::graph::query::Names>, top: Option<u32>, count: bool,
                     advanced: Option<bool>) {
                let options = $crate::graph::query::Options { filter, search, select, expand, orderby, top, count, advanced };
                $crate::graph::pages(this, &$path, options, ($select, $top), $operation)
            }
        )* }
    };
}
pub(crate) use collections;
