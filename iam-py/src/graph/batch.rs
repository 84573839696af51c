//! Several requests in one, as Graph's own documentation writes them.

use std::collections::HashMap;

use iam_core::http::Method;
use iam_core::{Error, ErrorKind, Result};
use iam_graph::batch::{Operation, Ticket};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::convert::{Json, read};
use crate::errors::raised;
use crate::exchange::{Response, method};

/// The requests of a batch.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Asked(Vec<Line>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default, alias = "depends_on")]
    depends_on: Vec<Value>,
}

/// What became of one request: an answer of 2xx, or an error that is given and not raised.
pub(crate) enum Outcome {
    Answer(Response),
    Error(Error),
}

impl<'py> IntoPyObject<'py> for Outcome {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self {
            Self::Answer(answer) => Ok(Bound::new(py, answer)?.into_any()),
            Self::Error(error) => Ok(raised(error).into_value(py).into_bound(py).into_any()),
        }
    }
}

impl Asked {
    /// # Errors
    /// `Invalid` names the place of what does not fit.
    pub(crate) fn read(given: Json) -> Result<Self> {
        read(given, "the requests of a batch")
    }

    /// Sends them; the outcomes come in the order of the requests.
    ///
    /// # Errors
    /// `Invalid` when a request cannot be sent, or depends on none that stands before it. Nothing is sent then.
    pub(crate) async fn send(self, client: &iam_graph::GraphClient, parallel: usize) -> Result<Vec<Outcome>> {
        let mut batch = client.batch().parallel(parallel);
        let mut known: HashMap<String, Ticket> = HashMap::new();
        for (place, line) in self.0.into_iter().enumerate() {
            let method = line.method.as_deref().map_or(Ok(Method::Get), method)?;
            if !line.url.starts_with('/') {
                let message = format!("request {place} of the batch: its url does not start with a slash");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            let mut request = client.build(method, &line.url, "batch");
            if let Some(body) = &line.body {
                request = request.json(body)?;
            }
            for (name, value) in line.headers {
                request = request.header(name, value);
            }
            let mut operation = Operation::from(request);
            for parent in &line.depends_on {
                let parent = known.get(&text(parent)).copied().ok_or_else(|| {
                    let message =
                        format!("request {place} of the batch depends on none that stands before it");
                    Error::new(ErrorKind::Invalid, message)
                })?;
                operation = operation.depends_on(parent);
            }
            let ticket = batch.add(operation);
            let id = line.id.as_ref().map_or_else(|| (place + 1).to_string(), text);
            known.insert(id, ticket);
        }
        let outcome = |answer| match answer {
            Ok(answer) => Outcome::Answer(Response(answer)),
            Err(error) => Outcome::Error(error),
        };
        Ok(batch.send().await.into_iter().map(outcome).collect())
    }
}

fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
