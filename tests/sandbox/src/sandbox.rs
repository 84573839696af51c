//! [`Sandbox`]: a tenant that runs while the value lives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::arm::{self, ArmCall};
use crate::call::{Call, Caller, segments};
use crate::control::{self, Mint};
use crate::errors::Fail;
use crate::faults::Fault;
use crate::graph;
use crate::odata::Options;
use crate::password;
use crate::portal::Portal;
use crate::recording::Recording;
use crate::request_log::LogEntry;
use crate::scim::{self, ScimCall};
use crate::seed::Seed;
use crate::server;
use crate::sign_in::MFA_CODE;
use crate::state::{Shared, State};
use crate::tls::Certificates;

/// An Entra tenant on a loopback port. It stops when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    delivery: JoinHandle<()>,
    tls: Option<Certificates>,
    authority: String,
    graph: String,
    tenant: String,
    client: String,
    secret: String,
    domain: String,
    subscription: String,
    scim: String,
    scim_token: String,
    sync_principal: String,
    sync_job: String,
    portal: Portal,
}

/// What a sandbox starts with.
#[derive(Debug, Clone)]
pub struct Builder {
    port: u16,
    seed: Seed,
    tls: bool,
    record: Option<PathBuf>,
    throttling: bool,
}

impl Builder {
    /// Ids and their order depend on this number alone. Default 1.
    #[must_use]
    pub fn seed(mut self, number: u64) -> Self {
        self.seed.number = number;
        self
    }

    /// Nobody is employed yet: the tenant with its domains, SKUs and roles, the break-glass account and the HR
    /// mailboxes, no groups.
    #[must_use]
    pub fn empty(mut self) -> Self {
        self.seed.empty = true;
        self
    }

    /// That many generated employees besides the known ones: employee ids from `G-00001` on, names of seventeen languages,
    /// in All Staff, licensed until nine tenths of the seats are taken. The same for the same seed. A hundred thousand
    /// take a few seconds and some hundred megabytes.
    #[must_use]
    pub fn people(mut self, count: usize) -> Self {
        self.seed.people = count;
        self
    }

    /// The port; by default the machine chooses a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Serves https with a certificate of its own throw-away authority, made at the start: see
    /// [`ca_pem`](Sandbox::ca_pem). Microsoft's clients send no bearer token over http.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Writes every request with its answer to a file, one JSON object a line: `method path query request_headers
    /// request_body status response_headers response_body`. Secrets, passwords and tokens are replaced by
    /// `REDACTED`; what else is personal is not. Control requests are left out. The file is made anew.
    #[must_use]
    pub fn record(mut self, file: impl Into<PathBuf>) -> Self {
        self.record = Some(file.into());
        self
    }

    /// Enforces Graph's documented limits of an application in a tenant, on the sandbox's clock: 3,500, 5,000 or 8,000
    /// resource units in 10 s (below 50 users, to 500, above), 3,000 writes in 150 s, each a bucket that fills evenly.
    /// Off by default; the headers with the price of a request are there always.
    #[must_use]
    pub fn throttling(mut self, on: bool) -> Self {
        self.throttling = on;
        self
    }

    /// Refuses notification URLs of plain http, as Microsoft does. Off by default: a receiver in a test then needs no
    /// certificate. In both cases the sandbox calls loopback addresses only, and takes any certificate of theirs.
    #[must_use]
    pub fn https_notifications(mut self, on: bool) -> Self {
        self.seed.https_notifications = on;
        self
    }

    /// How many seats of a SKU (by part number) the tenant has.
    #[must_use]
    pub fn seats(mut self, part_number: &str, seats: usize) -> Self {
        self.seed.seats.push((part_number.to_owned(), seats));
        self
    }

    /// Starts listening on 127.0.0.1. Needs a tokio runtime.
    ///
    /// # Errors
    /// The port is taken, the keys cannot be made, or the recording or the authority's certificate not written.
    pub async fn start(self) -> io::Result<Sandbox> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))
            .await
            .map_err(|error| {
                let message = format!("cannot listen on port {}: {error}", self.port);
                io::Error::new(error.kind(), message)
            })?;
        let tls = if self.tls {
            Some(Certificates::make()?)
        } else {
            None
        };
        let scheme = if self.tls { "https" } else { "http" };
        let authority = format!("{scheme}://{}", listener.local_addr()?);
        let recording = self.record.as_deref().map(Recording::create).transpose()?;
        let secret = format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut state = State::new(authority.clone(), self.seed, secret.clone())?;
        let (tenant, client) = (state.directory.tenant.id.clone(), state.client.id.clone());
        let domain = state
            .directory
            .tenant
            .domains
            .first()
            .cloned()
            .unwrap_or_default();
        let subscription = state.arm.subscription.clone();
        let scim_token = state.scim_token.clone();
        let sync = &state.directory.provisioning;
        let (sync_principal, sync_job) = (sync.principal.clone(), sync.job.clone());
        let portal = state.portal.clone();
        state.throttling.on = self.throttling;
        let scim = format!("{authority}/scim/v2");
        let shared = Arc::new(Shared::new(state, recording));
        let task = tokio::spawn(server::serve(
            listener,
            tls.as_ref().map(Certificates::acceptor),
            Arc::clone(&shared),
        ));
        let delivery = tokio::spawn(server::deliver(Arc::clone(&shared)));
        let graph = format!("{authority}/v1.0");
        Ok(Sandbox {
            shared,
            task,
            delivery,
            tls,
            authority,
            graph,
            tenant,
            client,
            secret,
            domain,
            subscription,
            scim,
            scim_token,
            sync_principal,
            sync_job,
            portal,
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
        self.delivery.abort();
    }
}

impl Sandbox {
    /// Starts with the default seed: Contoso Health with its long-employed staff.
    ///
    /// # Errors
    /// No free port, or the signing key cannot be made.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Choices before the start.
    pub fn builder() -> Builder {
        Builder {
            port: 0,
            seed: Seed::default(),
            tls: false,
            record: None,
            throttling: false,
        }
    }

    /// The certificate of the throw-away authority as PEM, when it serves https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(Certificates::pem)
    }

    /// A file that holds [`ca_pem`](Self::ca_pem) while the sandbox runs.
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref().map(Certificates::file)
    }

    /// The identity platform: `http://127.0.0.1:PORT`, or `https`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Microsoft Graph: `http://127.0.0.1:PORT/v1.0`.
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// Azure Resource Manager: `http://127.0.0.1:PORT`, for tokens of `https://management.azure.com/.default`.
    pub fn arm(&self) -> &str {
        &self.authority
    }

    /// Id of the one subscription. The application owns it; it has the resource groups `siem`, `clinical-data` and
    /// `finance`.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The SCIM application: `http://127.0.0.1:PORT/scim/v2`. It starts with the groups `agent` and `supervisor`.
    pub fn scim(&self) -> &str {
        &self.scim
    }

    /// What it takes as bearer token, new at each start.
    pub fn scim_token(&self) -> &str {
        &self.scim_token
    }

    /// Object id of the service principal whose provisioning job takes `bulkUpload`.
    pub fn sync_principal(&self) -> &str {
        &self.sync_principal
    }

    /// Id of that job.
    pub fn sync_job(&self) -> &str {
        &self.sync_job
    }

    /// The tenant's id.
    pub fn tenant_id(&self) -> &str {
        &self.tenant
    }

    /// The application that may sign in.
    pub fn client_id(&self) -> &str {
        &self.client
    }

    /// Its secret, new at each start.
    pub fn client_secret(&self) -> &str {
        &self.secret
    }

    /// The default verified domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The API that stands for the platform's own: its application ID URI, `api://…`, for which tokens are asked. Its
    /// client id, the `aud` of tokens, is what follows `api://`. It has the app roles `IAM.Admin`, `IAM.Operator`,
    /// `IAM.Helpdesk`, `IAM.Auditor` and `IAM.Provisioner`, and the scope `access_as_user`.
    pub fn api_audience(&self) -> String {
        self.portal.audience()
    }

    /// Client id of the portal, through which users sign in to that API.
    pub fn ui_client_id(&self) -> &str {
        &self.portal.ui
    }

    /// Its secret, new at each start.
    pub fn ui_client_secret(&self) -> &str {
        &self.portal.secret
    }

    /// The password of everybody who is there at the start.
    pub fn user_password() -> &'static str {
        password::SEEDED
    }

    /// The code that answers for the second factor of everybody who has one.
    pub fn mfa_code() -> &'static str {
        MFA_CODE
    }

    /// The env file: `NAME=value` lines, `SANDBOX_…` and the matching `IAM_…`. It holds the client secret.
    pub fn env(&self) -> String {
        let (audience, scope) = (self.portal.audience(), self.portal.scope());
        let (password, code) = (password::SEEDED.to_owned(), MFA_CODE.to_owned());
        let lines = [
            ("SANDBOX_AUTHORITY", &self.authority),
            ("SANDBOX_GRAPH", &self.graph),
            ("SANDBOX_ARM", &self.authority),
            ("SANDBOX_SUBSCRIPTION", &self.subscription),
            ("SANDBOX_SCIM", &self.scim),
            ("SANDBOX_SCIM_TOKEN", &self.scim_token),
            ("SANDBOX_TENANT", &self.tenant),
            ("SANDBOX_CLIENT_ID", &self.client),
            ("SANDBOX_CLIENT_SECRET", &self.secret),
            ("SANDBOX_DOMAIN", &self.domain),
            ("SANDBOX_SYNC_SP", &self.sync_principal),
            ("SANDBOX_SYNC_JOB", &self.sync_job),
            ("SANDBOX_API_AUDIENCE", &audience),
            ("SANDBOX_API_SCOPE", &scope),
            ("SANDBOX_UI_CLIENT_ID", &self.portal.ui),
            ("SANDBOX_UI_CLIENT_SECRET", &self.portal.secret),
            ("SANDBOX_USER_PASSWORD", &password),
            ("SANDBOX_MFA_CODE", &code),
            ("IAM_AUTHORITY", &self.authority),
            ("IAM_GRAPH_URL", &self.graph),
            ("IAM_ARM_URL", &self.authority),
            ("IAM_SCIM_URL", &self.scim),
            ("IAM_SCIM_TOKEN", &self.scim_token),
            ("IAM_TENANT_ID", &self.tenant),
            ("IAM_CLIENT_ID", &self.client),
            ("IAM_CLIENT_SECRET", &self.secret),
        ];
        let file = self.ca_file().map(|file| file.display().to_string());
        let authority = file
            .iter()
            .flat_map(|file| [("SANDBOX_CA", file), ("IAM_CA_BUNDLE", file)]);
        lines
            .into_iter()
            .chain(authority)
            .map(|(name, value)| [name, "=", value, "\n"].concat())
            .collect()
    }

    /// Adds a fault rule.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.rules.push(fault);
    }

    /// The rules in force, with what they have hit.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.rules.clone()
    }

    /// Removes every fault rule.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.rules.clear();
    }

    /// The whole tenant as JSON: `users`, `groups` (with `members`), `deleted`, `roleAssignments`,
    /// `subscribedSkus`, `mailbox`. Users carry `groups`, `licenses`, `roles` by name, `managerId` and
    /// `passwordVersion`; there are no passwords.
    pub fn state(&self) -> Value {
        self.shared.lock().caught_up().snapshot()
    }

    /// The live user with that id, user principal name or employee id, as [`state`](Self::state) shows it.
    pub fn user(&self, key: &str) -> Option<Value> {
        self.shared.lock().caught_up().user(key)
    }

    /// Acts in the tenant as an administrator would: a Graph request without network, token, faults and log. For
    /// arranging a test: `act("POST", "/users", Some(user))`. A path below `/subscriptions` or `/providers` is one of
    /// Azure Resource Manager, with its api-version, and one below `/scim/v2` the SCIM application's. Gives the body of the answer, or null.
    ///
    /// # Errors
    /// The status and body of a refusal, as one line of text.
    pub fn act(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let now = state.clock.now();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let refused =
            |fail: Fail| format!("{method} {path}: {} {}: {}", fail.status, fail.code, fail.message);
        if server::is_arm(path) {
            let mut call = ArmCall::new(method, path, query);
            (call.body, call.now) = (body, now);
            (call.root, call.caller) = (self.authority.clone(), state.client.object.clone());
            let answer = arm::answer(&mut state.arm, &state.directory, &call).map_err(|fail| {
                format!("{method} {path}: {} {}: {}", fail.status, fail.code, fail.message)
            })?;
            return Ok(answer.body.unwrap_or_default());
        }
        if server::is_scim(path) {
            let mut call = ScimCall::new(method, path, query);
            (call.body, call.now, call.root) = (body, now, self.scim.clone());
            let answer = scim::answer(&mut state.scim, &call)
                .map_err(|fail| format!("{method} {path}: {}: {}", fail.status, fail.detail))?;
            return Ok(answer.body.unwrap_or_default());
        }
        let call = Call {
            method: method.to_ascii_uppercase(),
            segments: segments(path),
            options: Options::read(query, true).map_err(refused)?,
            body,
            root: self.graph.clone(),
            now,
            seen_until: None,
            caller: Caller::Administrator,
            content_type: "application/json".to_owned(),
            correlation: Uuid::new_v4().to_string(),
        };
        let answer = graph::answer(&mut state.directory, &call).map_err(refused)?;
        Ok(answer.body.unwrap_or_default())
    }

    /// The requests so far, oldest first, without control requests: the last 50,000.
    pub fn log(&self) -> Vec<LogEntry> {
        self.shared.lock().log.entries.iter().cloned().collect()
    }

    /// How many requests came since the start or the last reset, without control requests.
    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Back to the seed: directory, clock, faults, log. Tokens and the client secret stay good.
    pub fn reset(&self) {
        self.shared.lock().reset();
    }

    /// How long new tokens live; the default is 3599 s. Above two hours replies carry `refresh_in`.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.shared.lock().tokens.lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    }

    /// A token that nobody had to sign in for, to test an API with: of a user (by id or user principal name) or, without
    /// one, of the application; for Graph and with the application's own roles unless told otherwise.
    ///
    /// # Errors
    /// There is no such user.
    pub fn token(
        &self,
        user: Option<&str>,
        audience: Option<&str>,
        roles: Option<Vec<String>>,
    ) -> Result<String, String> {
        let wish = Mint {
            user: user.map(str::to_owned),
            audience: audience.map(str::to_owned),
            roles,
            app: None,
            scopes: None,
        };
        control::signed(&mut self.shared.lock(), wish)
    }

    /// Makes every token issued so far invalid: requests with one get 401 `InvalidAuthenticationToken`.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.revoke();
    }

    /// The sandbox's time.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().clock.now()
    }

    /// Stops the sandbox's clock, so that only [`advance`](Self::advance) moves it, or lets it run again.
    pub fn stop_clock(&self, stopped: bool) {
        self.shared.lock().clock.stop(stopped);
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.shared.lock().clock.advance(by);
    }
}
