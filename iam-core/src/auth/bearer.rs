//! [`Bearer`]: the policy that attaches a token, to hosts of its audience and to no other.
//!
//! A 401 is answered once, with a token that meets the claims challenge where there is one, and with a
//! new token where there is none. What comes then is the answer.

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccessToken, Audience, TokenSource};
use crate::cloud::origin;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Next, Policy, Request, Response};

/// Attaches `authorization: Bearer …`.
#[derive(Debug, Clone)]
pub struct Bearer {
    tokens: Arc<dyn TokenSource>,
    audience: Audience,
}

impl Bearer {
    /// The policy that takes tokens for `audience` from `tokens`: give it a
    /// [`CachedTokens`](super::CachedTokens), or every request asks for a token of its own.
    pub fn new(tokens: Arc<dyn TokenSource>, audience: Audience) -> Self {
        Self { tokens, audience }
    }
}

#[async_trait]
impl Policy for Bearer {
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
        if !self.audience.allows(&request.url) {
            let host = origin(&request.url).unwrap_or_else(|| "the request's URL".to_owned());
            return Err(Error::new(
                ErrorKind::Denied,
                format!("{host} is not a host of the configured cloud, and nothing was sent"),
            )
            .with_operation(request.operation));
        }
        let token = self.tokens.token(&self.audience, None).await?;
        let answer = next.run(attach(request.clone(), &token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // A 401 means that nothing was done, so even a POST may be sent again.
        self.tokens.refused(&self.audience, &token);
        let token = self
            .tokens
            .token(&self.audience, claims(&answer).as_deref())
            .await?;
        next.run(attach(request, &token)).await
    }
}

fn attach(request: Request, token: &AccessToken) -> Request {
    request.header("authorization", format!("Bearer {}", token.token.expose()))
}

/// The JSON of a claims challenge: `error="insufficient_claims", claims="<base64>"`.
fn claims(answer: &Response) -> Option<String> {
    let challenges = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate");
    challenges.map(|(_, value)| value.as_str()).find_map(|challenge| {
        if parameter(challenge, "error")? != "insufficient_claims" {
            return None;
        }
        let text = String::from_utf8(base64(parameter(challenge, "claims")?)?).ok()?;
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).ok()?;
        Some(text)
    })
}

/// The value of a parameter of a challenge, quoted or not.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.trim().rsplit([',', ' ']).next()?;
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            (value, rest) = quoted.split_once('"')?;
        } else {
            (value, rest) = after.split_at(after.find([',', ' ']).unwrap_or(after.len()));
        }
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
    }
    None
}

/// Base64 in either alphabet, padded or not: services differ.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, held) = (bits + 6, (held << 6 | u32::from(value)) & 0xFFFF);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xFF) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cloud::Cloud;
    use crate::http::tests::{Fake, FakeClock, answer};
    use crate::http::{Method, Pipeline};
    use jiff::Timestamp;
    use proptest::prelude::*;

    /// A new token each time, named after the claims asked for.
    #[derive(Debug, Default)]
    struct Named(Mutex<Vec<String>>);

    #[async_trait]
    impl TokenSource for Named {
        async fn token(&self, _: &Audience, claims: Option<&str>) -> Result<AccessToken> {
            let mut calls = self.0.lock().unwrap();
            calls.push(claims.unwrap_or("none").to_owned());
            let token = format!("t{}", calls.len()).into();
            Ok(AccessToken {
                token,
                expires_at: Timestamp::MAX,
                refresh_at: None,
            })
        }

        fn refused(&self, _: &Audience, token: &AccessToken) {
            self.0
                .lock()
                .unwrap()
                .push(format!("refused {}", token.token.expose()));
        }
    }

    async fn check(
        url: &str,
        status: u16,
        challenge: &'static str,
    ) -> (Result<Response>, Vec<String>, Vec<String>) {
        let tokens = Arc::new(Named::default());
        let fake = Fake::new(move |_, _| Ok(answer(status, &[("WWW-Authenticate", challenge)], "")));
        let pipeline = Pipeline::builder(fake.clone())
            .clock(FakeClock::new())
            .bearer(Arc::new(Bearer::new(
                tokens.clone(),
                Audience::graph(&Cloud::public()),
            )))
            .build();
        let outcome = pipeline
            .send(Request::new(Method::Post, url, "create user"))
            .await;
        let sent = fake
            .sent()
            .iter()
            .map(|request| request.headers.last().unwrap().1.clone())
            .collect();
        let calls = tokens.0.lock().unwrap().clone();
        (outcome, sent, calls)
    }

    const GRAPH: &str = "https://graph.microsoft.com/v1.0/users";

    #[tokio::test]
    async fn a_foreign_host_gets_neither_token_nor_request() {
        let (outcome, sent, calls) = check("https://graph.microsoft.com.evil/v1.0", 200, "").await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), sent.len(), calls.len()), (ErrorKind::Denied, 0, 0));
        assert!(
            error
                .to_string()
                .contains("is not a host of the configured cloud"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_401_is_replayed_exactly_once() {
        let (outcome, sent, calls) = check(GRAPH, 401, r#"Bearer realm="""#).await;
        assert_eq!(outcome.unwrap().status, 401);
        assert_eq!(sent, ["Bearer t1", "Bearer t3"]);
        assert_eq!(calls, ["none", "refused t1", "none"]);
        let (_, sent, _) = check(GRAPH, 403, "").await;
        assert_eq!(sent, ["Bearer t1"]);
    }

    #[tokio::test]
    async fn a_claims_challenge_is_decoded() {
        // {"access_token":{"nbf":"1?>"}} has digits in which the two alphabets differ.
        for challenge in [
            r#"Bearer realm="", authorization_uri="https://login/a=b,c", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjoiMT8+In19""#,
            r#"Bearer error=insufficient_claims,Claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjoiMT8-In19=""#,
        ] {
            let (_, _, calls) = check(GRAPH, 401, challenge).await;
            assert_eq!(calls[2], r#"{"access_token":{"nbf":"1?>"}}"#, "{challenge}");
        }
        for plain in [
            r#"Bearer error="insufficient_claims", claims="%%%""#,
            r#"Bearer error="invalid_token", claims="e30""#,
        ] {
            let (_, _, calls) = check(GRAPH, 401, plain).await;
            assert_eq!(calls[2], "none", "{plain}");
        }
    }

    proptest! {
        #[test]
        fn no_challenge_panics(text in any::<String>(), tail in any::<String>()) {
            let challenge = format!("{text} error=\"insufficient_claims\", claims={tail}");
            let _ = claims(&answer(401, &[("www-authenticate", &challenge)], ""));
        }
    }
}
