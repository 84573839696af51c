//! The port [`Transport`]: one request out, one answer in; [`HttpTransport`] is the one over reqwest.
//!
//! A transport never retries, never follows a redirect and never interprets a status. Its errors say
//! whether the request can have had an effect: code `connect` (never sent), `timeout` or `broken`.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect;

use super::{Method, Request, Response};
use crate::cloud::origin;
use crate::error::{Error, ErrorKind, Result};

/// Carries one request to its host.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends the request once and reads the whole answer, whatever its status.
    async fn send(&self, request: Request) -> Result<Response>;
}

/// The transport over reqwest and rustls. Without a [`proxy`](HttpTransportBuilder::proxy) of its own it honours
/// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    longest_body: usize,
}

impl HttpTransport {
    /// A transport with the standard time limits that trusts the machine's certificates.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when TLS cannot be set up on this machine.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Starts a transport with settings of its own.
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }
}

/// Settings of an [`HttpTransport`].
#[derive(Clone)]
pub struct HttpTransportBuilder {
    ca_bundles: Vec<Vec<u8>>,
    proxy: Option<String>,
    timeout: Duration,
    connect_timeout: Duration,
    longest_body: usize,
}

impl Default for HttpTransportBuilder {
    fn default() -> Self {
        Self {
            ca_bundles: Vec::new(),
            proxy: None,
            timeout: Duration::from_secs(100),
            connect_timeout: Duration::from_secs(20),
            longest_body: 64 << 20,
        }
    }
}

impl HttpTransportBuilder {
    /// Also trusts the certificates of a PEM file, given as its bytes. May be called again.
    #[must_use]
    pub fn ca_bundle_pem(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.ca_bundles.push(bytes.into());
        self
    }

    /// Sends everything through this proxy (`http://user:password@proxy.example:8080`), but for the hosts that the
    /// environment names in `NO_PROXY`; its own variables for proxies no longer count.
    #[must_use]
    pub fn proxy(mut self, url: &str) -> Self {
        self.proxy = Some(url.to_owned());
        self
    }

    /// Also trusts the certificates of the PEM file that `IAM_CA_BUNDLE` names, where it names one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when that file cannot be read.
    pub fn environment(self) -> Result<Self> {
        let Some(path) = std::env::var_os("IAM_CA_BUNDLE").filter(|path| !path.is_empty()) else {
            return Ok(self);
        };
        self.ca_bundle_file(path)
    }

    /// Also trusts the certificates of a PEM file. May be called again.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it cannot be read.
    pub fn ca_bundle_file(self, path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| {
            let message = format!("the CA bundle {} cannot be read", path.display());
            Error::new(ErrorKind::Invalid, message).with_source(source)
        })?;
        Ok(self.ca_bundle_pem(bytes))
    }

    /// How long one attempt may take in all, from connecting to the last byte (100 s).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take (20 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The most bytes of one answer that are read (64 MiB); a longer one is [`ErrorKind::Protocol`].
    #[must_use]
    pub fn longest_body(mut self, bytes: usize) -> Self {
        self.longest_body = bytes;
        self
    }

    /// The transport.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a CA bundle holds no certificate, the proxy is no URL, or TLS cannot be set up.
    pub fn build(self) -> Result<HttpTransport> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("iam-platform/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout);
        if let Some(url) = &self.proxy {
            // The URL may hold a password: it is not repeated.
            let proxy = reqwest::Proxy::all(url).map_err(|source| {
                Error::new(
                    ErrorKind::Invalid,
                    "the proxy is no URL: expected http://host:port",
                )
                .with_source(source.without_url())
            })?;
            client = client.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
        }
        for bundle in &self.ca_bundles {
            let wrong = || {
                Error::new(
                    ErrorKind::Invalid,
                    "the CA bundle holds no readable PEM certificate",
                )
            };
            let certificates =
                reqwest::Certificate::from_pem_bundle(bundle).map_err(|e| wrong().with_source(e))?;
            if certificates.is_empty() {
                return Err(wrong());
            }
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|source| {
            Error::new(
                ErrorKind::Invalid,
                "the HTTP client cannot be set up: check the CA bundle and the machine's certificates",
            )
            .with_source(source)
        })?;
        Ok(HttpTransport {
            client,
            longest_body: self.longest_body,
        })
    }
}

impl std::fmt::Debug for HttpTransportBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransportBuilder")
            .field("ca_bundles", &self.ca_bundles.len())
            .field("proxy", &self.proxy.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let Request {
            method,
            url,
            headers,
            body,
            operation,
            idempotent,
            priority: _,
        } = request;
        let explain = |error| explain(error, &url, operation, idempotent);
        let mut out = self.client.request(wire(method), &url);
        for (name, value) in headers {
            out = out.header(name, value);
        }
        match body {
            Some(body) => out = out.body(body),
            // Some services answer 411 to a POST without a length, and reqwest sends none.
            None if method == Method::Post => out = out.header("content-length", "0"),
            None => {}
        }
        let mut answer = out.send().await.map_err(explain)?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > self.longest_body {
                let message = format!(
                    "the answer is longer than {} bytes, and was not read",
                    self.longest_body
                );
                return Err(Error::new(ErrorKind::Protocol, message)
                    .with_operation(operation)
                    .with_status(status)
                    .with_code("too_long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response::new(status, headers, body))
    }
}

fn wire(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
    }
}

/// What a failed exchange means: never sent, or sent without an answer.
fn explain(error: reqwest::Error, url: &str, operation: &'static str, idempotent: bool) -> Error {
    let host = host(url);
    let lost = if idempotent {
        ErrorKind::Unavailable
    } else {
        ErrorKind::OutcomeUnknown
    };
    let unknown = if idempotent {
        ""
    } else {
        "; whether the request took effect is unknown"
    };
    let mapped = if error.is_builder() {
        Error::new(
            ErrorKind::Invalid,
            "the request cannot be written: check its URL and headers",
        )
    } else if error.is_connect() {
        // A certificate that is not trusted is a connection that never carried a request, but the
        // operator looks elsewhere than at the network.
        let check = if mentions(&error, "certificate") {
            "the certificate is not trusted; add the issuing CA to the CA bundle"
        } else {
            "check the network, the proxy and the endpoint's name"
        };
        Error::new(
            ErrorKind::Unavailable,
            format!("cannot connect to {host}: {check}"),
        )
        .with_code("connect")
    } else if error.is_timeout() {
        Error::new(lost, format!("{host} did not answer in time{unknown}")).with_code("timeout")
    } else {
        Error::new(lost, format!("the connection to {host} broke{unknown}")).with_code("broken")
    };
    mapped.with_operation(operation).with_source(error.without_url())
}

fn mentions(error: &reqwest::Error, word: &str) -> bool {
    let mut cause: Option<&dyn StdError> = error.source();
    while let Some(next) = cause {
        if next.to_string().contains(word) {
            return true;
        }
        cause = next.source();
    }
    false
}

/// Host and port for a message; a default port is left out.
fn host(url: &str) -> String {
    let origin = origin(url).unwrap_or_default();
    match origin.split_once("://") {
        Some(("https", rest)) => rest.strip_suffix(":443").unwrap_or(rest).to_owned(),
        Some((_, rest)) => rest.strip_suffix(":80").unwrap_or(rest).to_owned(),
        None => "the host".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;
    use wiremock::matchers::{header, method};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn quick() -> HttpTransport {
        HttpTransport::builder()
            .timeout(Duration::from_millis(200))
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn header_names_come_back_in_lower_case_and_redirects_are_not_followed() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(header(
                "user-agent",
                concat!("iam-platform/", env!("CARGO_PKG_VERSION")),
            ))
            .and(header("content-length", "0"))
            .respond_with(
                ResponseTemplate::new(302)
                    .insert_header("Location", "/else")
                    .set_body_string("x"),
            )
            .expect(1)
            .mount(&server)
            .await;
        let answer = quick()
            .send(Request::new(Method::Post, server.uri(), "probe"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("location"), answer.attempts),
            (302, Some("/else"), 1)
        );
        assert_eq!(answer.body, b"x");
    }

    #[tokio::test]
    async fn a_refused_connection_was_never_sent() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let url = format!("http://{free}/private/path");
        let error = quick()
            .send(Request::new(Method::Post, url, "create user"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unavailable, Some("connect"))
        );
        assert_eq!(error.retry(), Retry::After(None));
        assert_eq!(
            error.to_string(),
            format!(
                "create user: cannot connect to {free}: check the network, the proxy and the endpoint's name (connect)"
            )
        );
        assert!(!error.chain().contains("private"), "{}", error.chain());
    }

    #[tokio::test]
    async fn a_timeout_leaves_a_post_unknown() {
        let server = MockServer::start().await;
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
        Mock::given(method("POST"))
            .respond_with(slow.clone())
            .mount(&server)
            .await;
        Mock::given(method("GET")).respond_with(slow).mount(&server).await;
        for (method, kind) in [
            (Method::Post, ErrorKind::OutcomeUnknown),
            (Method::Get, ErrorKind::Unavailable),
        ] {
            let error = quick()
                .send(Request::new(method, server.uri(), "probe"))
                .await
                .unwrap_err();
            assert_eq!((error.kind(), error.code()), (kind, Some("timeout")));
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_after_sending_is_told_apart() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", server.local_addr().unwrap());
        let hang_up = tokio::spawn(async move {
            let (mut peer, _) = server.accept().await.unwrap();
            tokio::io::AsyncReadExt::read(&mut peer, &mut [0; 512])
                .await
                .unwrap();
        });
        let error = quick()
            .send(Request::new(Method::Post, url, "probe"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::OutcomeUnknown, Some("broken"))
        );
        hang_up.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_a_length() {
        let server = MockServer::start().await;
        let long = ResponseTemplate::new(200).set_body_string("x".repeat(1001));
        Mock::given(method("GET")).respond_with(long).mount(&server).await;
        for (longest, fits) in [(1000, false), (1001, true)] {
            let transport = HttpTransport::builder().longest_body(longest).build().unwrap();
            let answer = transport
                .send(Request::new(Method::Get, server.uri(), "probe"))
                .await;
            match answer {
                Ok(answer) => assert!(fits && answer.body.len() == 1001),
                Err(error) => assert!(!fits && error.kind() == ErrorKind::Protocol, "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_gets_the_request_and_its_password_is_not_shown() {
        let proxy = MockServer::start().await;
        let seen = Mock::given(method("GET")).and(header("host", "graph.example"));
        seen.and(header("proxy-authorization", "Basic dTpodW50ZXIy"))
            .respond_with(ResponseTemplate::new(204))
            .expect(1)
            .mount(&proxy)
            .await;
        let url = format!("http://u:hunter2@{}", proxy.address());
        let builder = HttpTransport::builder().proxy(&url);
        assert!(!format!("{builder:?}").contains("hunter2"));
        let transport = builder.build().unwrap();
        let request = Request::new(Method::Get, "http://graph.example/v1.0/users", "probe");
        assert_eq!(transport.send(request).await.unwrap().status, 204);
        let error = HttpTransport::builder()
            .proxy("http://u:hunter2@")
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.chain().contains("hunter2"), "{}", error.chain());
    }

    #[test]
    fn a_ca_bundle_that_is_not_there_is_named() {
        let error = HttpTransport::builder()
            .ca_bundle_file("/nowhere/ca.pem")
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_refused() {
        let error = HttpTransport::builder()
            .ca_bundle_pem("hello")
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
