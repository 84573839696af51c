//! Whom nothing of ours may touch, for tools that act without a plan.

use pyo3::prelude::*;
use serde_json::json;

use crate::convert::Json;
use crate::policy::Policy;

#[pymethods]
impl Policy {
    /// The sign-in names, account ids and roles that protect, in lower case.
    #[getter]
    fn protected(&self) -> Json {
        let protected = self.document.protected();
        Json(json!({ "names": protected.names, "ids": protected.ids, "roles": protected.roles }))
    }
}
