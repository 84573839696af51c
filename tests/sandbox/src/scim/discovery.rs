//! What the application says of itself (RFC 7644, 4).

use serde_json::{Value, json};

use super::failure::ScimFail;
use super::schema::{self, Kind};
use super::{MOST, ScimAnswer, ScimCall, ScimOutcome, list_response};

pub(super) fn configuration(call: &ScimCall) -> ScimAnswer {
    let no = json!({ "supported": false });
    ScimAnswer::with(
        200,
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": { "supported": true },
            "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
            "filter": { "supported": true, "maxResults": MOST },
            "changePassword": no, "sort": no, "etag": { "supported": true },
            "authenticationSchemes": [{
                "type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true,
                "description": "The token of the sandbox's env file",
            }],
            "meta": {
                "resourceType": "ServiceProviderConfig", "location": format!("{}/ServiceProviderConfig", call.root),
            },
        }),
    )
}

pub(super) fn resource_types(call: &ScimCall, rest: &[&str]) -> ScimOutcome {
    let types = [Kind::User, Kind::Group].map(|kind| {
        let name = kind.name();
        let extensions = kind.schemas().iter().skip(1);
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": name, "name": name,
            "endpoint": format!("/{}", kind.endpoint()), "schema": kind.schemas()[0].0,
            "schemaExtensions": extensions
                .map(|(urn, ..)| json!({ "schema": urn, "required": false }))
                .collect::<Value>(),
            "meta": { "resourceType": "ResourceType", "location": format!("{}/ResourceTypes/{name}", call.root) },
        })
    });
    one_or_all(types.to_vec(), rest)
}

pub(super) fn schemas(call: &ScimCall, rest: &[&str]) -> ScimOutcome {
    one_or_all(schema::documents(&call.root), rest)
}

fn one_or_all(all: Vec<Value>, rest: &[&str]) -> ScimOutcome {
    match rest {
        [] => Ok(ScimAnswer::with(200, list_response(all.len(), 1, &all))),
        [id] => {
            let mut all = all.into_iter();
            let found = all.find(|one| {
                one["id"]
                    .as_str()
                    .is_some_and(|known| known.eq_ignore_ascii_case(id))
            });
            Ok(ScimAnswer::with(
                200,
                found.ok_or_else(|| ScimFail::not_found(id))?,
            ))
        }
        [.., last] => Err(ScimFail::not_found(last)),
    }
}
