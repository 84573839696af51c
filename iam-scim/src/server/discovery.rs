//! What a client can ask about the service provider (RFC 7644 section 4): its configuration, resource types and
//! schemas.

use serde_json::{Value, json};

use super::engine::Settings;
use super::schema::{Kind, Schema};
use super::schemas::{ENTERPRISE, GROUP, USER};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

pub(crate) fn config(settings: &Settings, base: &str) -> Value {
    json!({
        "schemas": [CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": settings.max_page},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": false,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": settings.page,
            "maxPageSize": settings.max_page,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A bearer token in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

fn resource_type(kind: Kind, base: &str) -> Value {
    let extensions: Vec<Value> = kind
        .extensions()
        .iter()
        .map(|schema| json!({"schema": schema.id, "required": false}))
        .collect();
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": kind.name(),
        "name": kind.name(),
        "description": kind.schema().description,
        "endpoint": format!("/{}", kind.endpoint()),
        "schema": kind.schema().id,
        "schemaExtensions": extensions,
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name())},
    })
}

pub(crate) fn resource_types(base: &str) -> Vec<Value> {
    Kind::ALL.iter().map(|kind| resource_type(*kind, base)).collect()
}

fn schema(schema: &Schema, base: &str) -> Value {
    let mut out = schema.describe();
    let meta = json!({"resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.id)});
    out.insert("meta".into(), meta);
    Value::Object(out)
}

pub(crate) fn schemas(base: &str) -> Vec<Value> {
    [&USER, &GROUP, &ENTERPRISE]
        .into_iter()
        .map(|one| schema(one, base))
        .collect()
}
