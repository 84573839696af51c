//! Tables over the pure parts: filters, paths, PATCH, projection, and arbitrary text.

mod filter;
mod patch;
mod path;
mod projection;
mod random;

use serde_json::{Map, Value, json};

/// A user with something in every kind of attribute.
fn user() -> Map<String, Value> {
    let user = json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ],
        "id": "u1",
        "externalId": "Ext-7",
        "userName": "Bjensen@example.com",
        "name": {"givenName": "Barbara", "familyName": "Jensen \"Q\" \\ ß"},
        "active": true,
        "title": "Ärztin",
        "emails": [
            {"value": "b@work.example", "type": "work", "primary": true},
            {"value": "b@home.example", "type": "home"},
        ],
        "addresses": [{"type": "work", "locality": "Ulm"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "0042",
            "manager": {"value": "m1"},
        },
        "meta": {
            "resourceType": "User",
            "created": "2026-01-31T08:00:00Z",
            "lastModified": "2026-02-01T08:00:00Z",
            "version": "W/\"2\"",
        },
    });
    user.as_object().cloned().unwrap()
}
