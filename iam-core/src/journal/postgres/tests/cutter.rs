//! A connection that is cut after a commit: the server has done it, and nobody hears of it. The stories use it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Stands before the server and, once it is armed, lets one commit through and no answer to it.
pub(super) struct Cutter {
    /// Where it stands.
    pub(super) url: String,
    pub(super) armed: Arc<AtomicBool>,
}

impl Cutter {
    pub(super) async fn before(url: &str) -> Self {
        let server = url
            .rsplit_once('@')
            .unwrap()
            .1
            .split_once('/')
            .unwrap()
            .0
            .to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let cut = armed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, cut.clone()));
            }
        });
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            armed,
        }
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let read = read.unwrap_or(0);
                if read == 0 || server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
                let commits = asked[..read].windows(7).any(|bytes| bytes == b"COMMIT\0");
                if commits && cut.swap(false, Ordering::SeqCst) {
                    // The server has answered, so it has committed.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let read = read.unwrap_or(0);
                if read == 0 || client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
