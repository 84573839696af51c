//! The private half of the Python package `iam_platform`: see its README.
//!
//! One file per topic; the sync and the async class of each topic stand side by side and are written once, by the
//! macro `twin`. `runtime` is the only place that waits, `convert` the only door for values, `errors` the only
//! way out for failures.

mod application;
mod arm;
mod callbacks;
mod clock;
mod company;
mod convert;
mod credentials;
mod engine;
mod errors;
mod exchange;
mod graph;
mod handed;
mod intake;
mod listing;
mod loops;
mod messages;
mod policy;
mod promise;
mod protection;
mod results;
mod runtime;
mod sandbox;
mod scim;
mod scim_server;
mod settings;
mod validate;

use pyo3::prelude::*;

/// The compiled half of `iam_platform`; private.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arm::{ArmClient, AsyncArmClient};
    #[pymodule_export]
    use crate::clock::Clock;
    #[pymodule_export]
    use crate::company::Company;
    #[pymodule_export]
    use crate::credentials::{ClientSecretCredential, Token};
    #[pymodule_export]
    use crate::engine::{AsyncEngine, Engine};
    #[pymodule_export]
    use crate::exchange::Response;
    #[pymodule_export]
    use crate::graph::{AsyncGraphClient, GraphClient};
    #[pymodule_export]
    use crate::intake::{HrNotice, Intake, Record, Rows};
    #[pymodule_export]
    use crate::listing::{AsyncListing, Listing};
    #[pymodule_export]
    use crate::messages::{check_records, event_id, verify_webhook};
    #[pymodule_export]
    use crate::policy::Policy;
    #[pymodule_export]
    use crate::results::{
        Accepted, Account, AsOf, Ask, AuditCheck, AuditEntry, CaseReport, Coverage, Delta, Desired, Drift,
        DriftReport, Edit, Entitlement, Evidence, Explanation, Finding, FleetReport, Frozen, Grant,
        HealthFinding, Holding, Impact, Imported, Known, LedgerEntry, Letter, Moment, Obstacle, PersonDrift,
        PersonPlan, PersonRun, PersonState, Plan, Preview, Progress, Quarantined, Reading, Reject, Remark,
        RunReport, SeatNeed, Staged, Stalled, Step, StepRecord, StepRun, Taken, TestReport, TimelineEntry,
        Totals, UndoPlan, Waiting, Why, WhyNot,
    };
    #[pymodule_export]
    use crate::sandbox::Sandbox;
    #[pymodule_export]
    use crate::scim::{AsyncScimClient, ScimClient};
    #[pymodule_export]
    use crate::scim_server::{AsyncScimServer, ScimServer};

    #[pymodule_export]
    use crate::validate::{AsyncTokenValidator, TokenValidator};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add(
            "build_profile",
            if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        )
    }
}
