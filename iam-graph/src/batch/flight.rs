//! One flight: requests to Graph in one envelope, and an answer for each.

use futures::future::join_all;
use iam_core::Result;
use iam_core::http::{Pipeline, Request, Response};

use super::envelope;
use crate::client::Root;

/// The way down.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) root: Root,
    /// For a request by itself: neither retries nor paces, for both is done for each request above it.
    pub(crate) pipeline: Pipeline,
    /// For envelopes: repeats those that were refused as a whole. That says nothing of the requests inside, and must
    /// not use up their attempts; when it does not help, they are not tried again either.
    pub(crate) envelopes: Pipeline,
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
        let answer = match envelope::close(&self.root, references()) {
            Ok(envelope) => self.envelopes.send(envelope).await,
            Err(_) => return self.one_by_one(requests).await,
        };
        let asked: Vec<&Request> = references().map(|(request, _)| request).collect();
        let Some(mut answers) = envelope::open(&asked, answer) else {
            tracing::warn!(
                "Graph refused a batch of {}, each request goes by itself",
                requests.len()
            );
            return self.one_by_one(requests).await;
        };
        // The token was good for the envelope and not for these: by itself, each gets a new one.
        let refused = answers
            .iter_mut()
            .zip(&asked)
            .filter(|(answer, _)| has_status(answer, 401));
        join_all(refused.map(async |(answer, request)| {
            *answer = self.pipeline.send((*request).clone()).await;
        }))
        .await;
        answers
    }

    async fn one_by_one(&self, requests: &[(Request, Option<usize>)]) -> Vec<Result<Response>> {
        if requests.iter().all(|(_, after)| after.is_none()) {
            return join_all(
                requests
                    .iter()
                    .map(|(request, _)| self.pipeline.send(request.clone())),
            )
            .await;
        }
        let mut answers: Vec<Result<Response>> = Vec::with_capacity(requests.len());
        for (request, after) in requests {
            let parent = after.and_then(|parent| answers.get(parent));
            let may = parent.is_none_or(|parent| parent.as_ref().is_ok_and(Response::is_success));
            answers.push(if may {
                self.pipeline.send(request.clone()).await
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
