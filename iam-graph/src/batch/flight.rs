//! One flight: requests to Graph in one envelope, and an answer for each.

use std::time::Duration;

use futures::future::join_all;
use iam_core::Result;
use iam_core::clock::SharedClock;
use iam_core::http::throttle::Cost;
use iam_core::http::{Pipeline, Request, Response, RetryPolicy, Throttle, retry};

use super::envelope;
use crate::client::Root;

/// The way down. Whoever sends requests has paid for them once; what is sent beyond that is paid for here.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) root: Root,
    /// Neither retries nor paces, for both is done for each request above it.
    pub(crate) pipeline: Pipeline,
    /// For envelopes that are refused as a whole. That says nothing of the requests inside, and must not use up their
    /// attempts; when repeating does not help, they are not tried again either.
    pub(crate) retry: RetryPolicy,
    pub(crate) clock: SharedClock,
    pub(crate) budget: Option<Throttle>,
}

impl Line {
    /// Whether the request may share an envelope.
    pub(super) fn takes(&self, request: &Request) -> bool {
        envelope::fits(&self.root, request)
    }

    /// Sends requests that are let through, one of them as it is, more in an envelope; each with the place of the
    /// one before it that it depends on. Answers in the same order.
    pub(crate) async fn fly(&self, requests: &[(Request, Option<usize>)]) -> Vec<Result<Response>> {
        if let [(only, _)] = requests {
            return vec![self.pipeline.send(only.clone()).await];
        }
        let references = || requests.iter().map(|(request, after)| (request, *after));
        let asked: Vec<&Request> = references().map(|(request, _)| request).collect();
        let answer = match envelope::close(&self.root, references()) {
            Ok(envelope) => self.deliver(&envelope, &asked).await,
            Err(_) => return self.one_by_one(requests, true).await,
        };
        let Some(mut answers) = envelope::open(&asked, answer) else {
            tracing::warn!(
                "Graph refused a batch of {}, each request goes by itself",
                requests.len()
            );
            return self.one_by_one(requests, false).await;
        };
        // The token was good for the envelope and not for these: by itself, each gets a new one.
        let refused = answers
            .iter_mut()
            .zip(&asked)
            .filter(|(answer, _)| has_status(answer, 401));
        join_all(refused.map(async |(answer, request)| {
            *answer = self.alone(request, false).await;
        }))
        .await;
        answers
    }

    /// Sends an envelope until it is not refused as a whole, within the limits of the retries.
    async fn deliver(&self, envelope: &Request, inside: &[&Request]) -> Result<Response> {
        let start = self.clock.now();
        let mut attempt = 1;
        loop {
            let mut answer = self.pipeline.send(envelope.clone()).await;
            if let Ok(answer) = &mut answer {
                answer.attempts = attempt;
                // Whoever else spends this budget has to wait as well.
                if let (429 | 509, Some(budget)) = (answer.status, &self.budget) {
                    budget.learn(Cost::default(), answer);
                }
            }
            let now = self.clock.now();
            let elapsed = Duration::try_from(now.duration_since(start)).unwrap_or_default();
            let again = self
                .retry
                .again(&answer, envelope.idempotent, attempt, elapsed, now);
            let Some(wait) = again else {
                return answer.map_err(|error| retry::given_up(error, envelope.idempotent, attempt));
            };
            self.clock.sleep(wait).await;
            self.pay(inside).await;
            attempt += 1;
        }
    }

    async fn alone(&self, request: &Request, paid: bool) -> Result<Response> {
        if !paid {
            self.pay(&[request]).await;
        }
        self.pipeline.send(request.clone()).await
    }

    async fn pay(&self, requests: &[&Request]) {
        if let Some(budget) = &self.budget {
            let cost = requests.iter().map(|request| budget.cost(request)).sum();
            let urgent = requests.iter().map(|request| request.priority).min();
            budget.pay(cost, urgent.unwrap_or_default()).await;
        }
    }

    async fn one_by_one(&self, requests: &[(Request, Option<usize>)], paid: bool) -> Vec<Result<Response>> {
        if requests.iter().all(|(_, after)| after.is_none()) {
            return join_all(requests.iter().map(|(request, _)| self.alone(request, paid))).await;
        }
        let mut answers: Vec<Result<Response>> = Vec::with_capacity(requests.len());
        for (request, after) in requests {
            let parent = after.and_then(|parent| answers.get(parent));
            let may = parent.is_none_or(|parent| parent.as_ref().is_ok_and(Response::is_success));
            answers.push(if may {
                self.alone(request, paid).await
            } else {
                Ok(failed_dependency())
            });
        }
        answers
    }
}

pub(super) fn has_status(answer: &Result<Response>, status: u16) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.status == status)
}

/// What Graph answers in a batch to whoever depends on a request that failed.
pub(super) fn failed_dependency() -> Response {
    Response::new(424, Vec::new(), r#"{"error":{"code":"FailedDependency"}}"#)
}
