//! The sandbox as a process of its own, so that its CPU time is not counted.

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iam_core::auth::{Audience, ClientSecret, TokenSource};
use iam_core::clock::SystemClock;
use iam_core::http::HttpTransport;
use iam_core::{Cloud, Secret};
use iam_graph::GraphClient;
use serde_json::Value;

/// A sandbox process, ended with the value.
pub(crate) struct Tenant {
    process: Child,
    env: std::collections::BTreeMap<String, String>,
    _folder: tempfile::TempDir,
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Tenant {
    /// With that many generated people.
    pub(crate) fn start(people: usize) -> Result<Self, Box<dyn Error>> {
        let program = std::env::current_exe()?.with_file_name("iam-sandbox");
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("sandbox.env");
        let process = Command::new(&program)
            .arg("--env-file")
            .arg(&file)
            .args(["--people", &people.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "{}: {error}; build it with `cargo build --release -p iam-sandbox`",
                    program.display()
                )
            })?;
        let start = Instant::now();
        while !file.exists() {
            if start.elapsed() > Duration::from_mins(1) {
                return Err("the sandbox did not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let text = std::fs::read_to_string(&file)?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let env = lines
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        Ok(Self {
            process,
            env,
            _folder: folder,
        })
    }

    /// The process's id.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.env.get(name).map_or("", String::as_str)
    }

    /// A client of it, and a token for those that bring none of their own.
    pub(crate) async fn sign_in(&self) -> Result<(GraphClient, Secret), Box<dyn Error>> {
        let cloud = Cloud::custom(self.get("SANDBOX_AUTHORITY"), self.get("SANDBOX_GRAPH"))?;
        let transport = Arc::new(HttpTransport::new()?);
        let secret = ClientSecret::new(
            &cloud,
            self.get("SANDBOX_TENANT"),
            self.get("SANDBOX_CLIENT_ID"),
            self.get("SANDBOX_CLIENT_SECRET").into(),
            transport.clone(),
            Arc::new(SystemClock),
        )?;
        let token = secret.token(&Audience::graph(&cloud), None).await?.token;
        // The sandbox grants more than the service does; what is measured is this program.
        let client = GraphClient::builder(cloud, Arc::new(secret), transport)
            .limits(None)
            .build();
        Ok((client, token))
    }

    async fn control(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        let root = self.get("SANDBOX_GRAPH").trim_end_matches("/v1.0");
        Ok(reqwest::get(format!("{root}/_sandbox/{path}"))
            .await?
            .json()
            .await?)
    }

    /// From now on this goes wrong, as the sandbox's control route takes it.
    pub(crate) async fn fault(&self, rule: &Value) -> Result<(), Box<dyn Error>> {
        let root = self.get("SANDBOX_GRAPH").trim_end_matches("/v1.0");
        let answer = reqwest::Client::new().post(format!("{root}/_sandbox/faults"));
        answer.json(rule).send().await?.error_for_status()?;
        Ok(())
    }

    /// The HTTP requests that it has answered.
    pub(crate) async fn requests(&self) -> Result<f64, Box<dyn Error>> {
        let log = self.control("log").await?;
        let requests = log["requests"].as_f64();
        requests.ok_or_else(|| "the log does not count requests".into())
    }

    /// How many stand there whose name begins with `joiner` and who have that manager, all those groups and
    /// that licence.
    pub(crate) async fn whole_joiners(
        &self,
        groups: &[&str],
        manager: &str,
        sku: &str,
    ) -> Result<usize, Box<dyn Error>> {
        let state = self.control("state").await?;
        let users = state["users"].as_array().ok_or("the state lists no users")?;
        let named = |list: &Value, name: &str| {
            let mut names = list.as_array().into_iter().flatten();
            names.any(|entry| entry.as_str() == Some(name))
        };
        let whole = |user: &&Value| {
            user["mailNickname"]
                .as_str()
                .is_some_and(|name| name.starts_with("joiner"))
                && user["managerId"].as_str() == Some(manager)
                && groups.iter().all(|group| named(&user["groups"], group))
                && named(&user["licenses"], sku)
        };
        Ok(users.iter().filter(whole).count())
    }
}
