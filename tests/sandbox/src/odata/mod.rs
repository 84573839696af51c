//! OData as the directory speaks it: query options, filters, pages
//! ("Advanced query capabilities on Microsoft Entra ID objects", "Use query parameters").

mod filter;
mod options;
mod page;
mod parse;
mod search;

pub(crate) use filter::Expr;
pub(crate) use options::{Expand, Options};
pub(crate) use page::{Row, ValueRow, collection, counted};
