//! Licences, directory roles, roles of applications.

use iam_core::http::Method;
use iam_graph::app_roles::Holder;
use pyo3::prelude::*;
use serde_json::{Value, json};

use super::query::{FULL, Names, Options, collections};
use super::{AsyncGraphClient, GraphClient, call, one};
use crate::convert::{Json, json};
use crate::exchange::{Id, segment};
use crate::runtime::twin;

/// A licence to assign: its SKU's id, or an object of Graph's with `skuId` and `disabledPlans`.
#[derive(Debug)]
struct License(Value);

impl<'a, 'py> FromPyObject<'a, 'py> for License {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(sku) = given.extract::<&str>() {
            return Ok(Self(json!({ "skuId": sku, "disabledPlans": [] })));
        }
        given.extract::<Json>().map(|Json(given)| Self(given))
    }
}

twin! { GraphClient, AsyncGraphClient of iam_graph::GraphClient;
    #[pyo3(signature = (id, add = Vec::new(), remove = Vec::new()))]
    fn assign_license(this, id: Id, add: Vec<License>, remove: Vec<String>) -> Json {
        let add: Vec<Value> = add.into_iter().map(|License(given)| given).collect();
        let body = json!({ "addLicenses": add, "removeLicenses": remove });
        let path = format!("/users/{}/assignLicense", segment(&id));
        // Repeating is harmless: it names the state to reach.
        let request = this.build(Method::Post, &path, "assign licence").idempotent(true).json(&body)?;
        crate::exchange::body(&this.send(request).await?)
    }

    fn activate_role(this, template: Id) -> Json {
        let body = json!({ "roleTemplateId": &*template });
        call(&this, Method::Post, "/directoryRoles", Some(&body), "activate role").await
    }

    fn add_role_member(this, role: Id, member: Id) -> () { this.add_role_member(&role, &member).await }

    fn remove_role_member(this, role: Id, member: Id) -> () { this.remove_role_member(&role, &member).await }

    #[pyo3(signature = (principal, role, scope = "/".to_owned()))]
    fn assign_role(this, principal: Id, role: Id, scope: String) -> Json {
        json(&this.assign_role(&principal, &role, &scope).await?)
    }

    fn remove_role_assignment(this, id: Id) -> () { this.remove_role(&id).await }

    #[pyo3(signature = (id, *, select = None))]
    fn service_principal(this, id: Id, select: Option<Names>) -> Json {
        let options = Options { select, ..Options::default() };
        one(&this, &format!("/servicePrincipals/{}", segment(&id)), options, "get service principal").await
    }

    fn assign_app_role(this, principal: Id, resource: Id, role: Id) -> Json {
        json(&this.assign_app_role(&principal, &resource, &role).await?)
    }

    fn remove_app_role(this, user: Id, assignment: Id) -> () {
        this.remove_app_role(Holder::User(&user), &assignment).await
    }
}

collections! {
    fn skus() { "/subscribedSkus", "", None, "list licences" }
    fn license_details(id: Id) { format!("/users/{}/licenseDetails", segment(&id)), "", None, "list licences of a user" }
    fn directory_roles() { "/directoryRoles", "", None, "list directory roles" }
    fn role_members(id: Id) { format!("/directoryRoles/{}/members", segment(&id)), "", None, "list role members" }
    fn role_definitions() { "/roleManagement/directory/roleDefinitions", "", None, "list role definitions" }
    fn role_assignments() { "/roleManagement/directory/roleAssignments", "", None, "list role assignments" }
    fn service_principals() { "/servicePrincipals", "", FULL, "list service principals" }
    fn app_role_assignments(id: Id) { format!("/users/{}/appRoleAssignments", segment(&id)), "", FULL, "list app roles of a user" }
    fn app_role_holders(id: Id) { format!("/servicePrincipals/{}/appRoleAssignedTo", segment(&id)), "", FULL, "list holders of app roles" }
}
