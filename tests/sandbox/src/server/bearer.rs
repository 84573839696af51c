//! The bearer token of a request.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::state::Shared;
use crate::tokens::Flaw;

/// The claims of the token in the headers, if this sandbox signed it. The signature is checked outside the lock.
pub(super) fn claims(app: &Shared, headers: &HeaderMap) -> Result<Arc<Value>, Flaw> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(Flaw::Missing)?;
    let (known, keys) = {
        let state = app.lock();
        (state.tokens.known(token), state.keys)
    };
    if let Some(claims) = known {
        return Ok(claims);
    }
    let claims = Arc::new(keys.verify(token).ok_or(Flaw::Signature)?);
    app.lock().tokens.remember(token, &claims);
    Ok(claims)
}
