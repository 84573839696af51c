//! Azure Resource Manager's own ways of asking for patience, put into the words that the pipeline knows.
//!
//! Source: Microsoft Learn, "Understand how Azure Resource Manager throttles requests". Some resource
//! providers name the wait in `x-ms-ratelimit-…-retry-after` alone, and 429 answers with a wait of zero
//! occur (terraform-provider-azurerm #19146): coming back at once prolongs the throttling.

use std::sync::Arc;

use async_trait::async_trait;
use iam_core::Result;
use iam_core::http::{Request, Response, Transport};

/// A transport whose 429 answers always leave time to wait.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) Arc<dyn Transport>);

#[async_trait]
impl Transport for Patient {
    async fn send(&self, request: Request) -> Result<Response> {
        let mut answer = self.0.send(request).await?;
        if answer.status == 429 {
            spell_out(&mut answer);
        }
        Ok(answer)
    }
}

/// Takes a wait of zero away, so that the pipeline waits of its own accord, and puts the longest
/// `x-ms-ratelimit-…-retry-after` where no other wait is named.
fn spell_out(answer: &mut Response) {
    let seconds = |text: &str| text.trim().parse::<f64>().ok();
    let is_wait = |name: &str| matches!(name, "retry-after" | "retry-after-ms" | "x-ms-retry-after-ms");
    answer
        .headers
        .retain(|(name, value)| !is_wait(name) || seconds(value).is_none_or(|wait| wait > 0.0));
    if answer.headers.iter().any(|(name, _)| is_wait(name)) {
        return;
    }
    let longest = answer
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-ms-ratelimit-") && name.ends_with("-retry-after"))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .max();
    if let Some(wait) = longest.filter(|wait| *wait > 0) {
        answer.headers.push(("retry-after".to_owned(), wait.to_string()));
    }
}

/// The bucket that is empty, for example `subscription-writes`, where the answer tells.
pub(crate) fn empty_bucket(answer: &Response) -> Option<&str> {
    answer.headers.iter().find_map(|(name, value)| {
        let bucket = name.strip_prefix("x-ms-ratelimit-remaining-")?;
        (value.trim() == "0").then_some(bucket)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_zero_and_found_where_it_hides() {
        fn check(headers: &[(&str, &str)], wait: Option<&str>) {
            let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let mut answer = Response::new(429, headers.collect(), "");
            spell_out(&mut answer);
            assert_eq!(answer.header("retry-after"), wait);
        }
        check(&[], None);
        check(&[("Retry-After", "7")], Some("7"));
        check(&[("Retry-After", "0")], None);
        check(
            &[("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")],
            Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        );
        check(
            &[
                ("Retry-After", "0"),
                ("x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after", "5"),
                ("x-ms-ratelimit-microsoft.costmanagement-entity-retry-after", "17"),
            ],
            Some("17"),
        );
        check(
            &[("Retry-After", "3"), ("x-ms-ratelimit-x-retry-after", "17")],
            Some("3"),
        );
    }
}
