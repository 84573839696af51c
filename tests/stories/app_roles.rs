//! Roles in applications that people have in Entra ID itself: nobody keeps one who has left.

use iam_core::http::Method;
use iam_core::plan::Action;
use serde_json::{Value, json};

use crate::world::World;

const APPROVE: &str = "Claims portal / Claims.Approve";

impl World {
    /// Assigns a role of the claims portal by hand.
    async fn assign(&self, holder: &str, value: &str) -> String {
        let portal = self
            .get("/servicePrincipals?$filter=displayName%20eq%20'Claims%20portal'")
            .await;
        let portal = &portal["value"][0];
        let roles = portal["appRoles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["value"] == value).unwrap();
        let body = json!({"principalId": holder, "resourceId": portal["id"], "appRoleId": role["id"]});
        let path = format!(
            "/servicePrincipals/{}/appRoleAssignedTo",
            portal["id"].as_str().unwrap()
        );
        self.change(Method::Post, &path, body).await;
        role["id"].as_str().unwrap().to_owned()
    }

    /// The roles that somebody can use, as `application role (through)`.
    async fn app_roles(&self, id: &str) -> Vec<String> {
        let held = self.get(&format!("/users/{id}/appRoleAssignments")).await;
        let line = |held: &Value| {
            let text = |name: &str| held[name].as_str().unwrap_or_default().to_owned();
            format!("{} ({})", text("appRoleId"), text("principalType"))
        };
        held["value"].as_array().unwrap().iter().map(line).collect()
    }
}

#[tokio::test]
async fn a_leaver_loses_app_roles_before_groups_and_what_groups_gave_with_them() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let id = world.id("W-1").await;
    let approve = world.assign(&id, "Claims.Approve").await;
    let group = world.group_id("st-security").await;
    let audit = world.assign(&group, "Claims.Audit").await;
    assert_eq!(
        world.app_roles(&id).await,
        [format!("{approve} (User)"), format!("{audit} (Group)")]
    );
    // By hand and not by policy: nobody takes it while the person is here.
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert!(world.app_roles(&id).await.contains(&format!("{approve} (User)")));

    let report = world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.app_roles(&id).await, [""; 0]);
    let state = world.sandbox.state();
    let left = state["appRoleAssignments"].as_array().unwrap();
    assert!(
        left.iter().any(|held| held["principalId"] == group.as_str()),
        "a group's roles are the group's"
    );
    let revoked: Vec<String> = report.people[0]
        .outcomes
        .iter()
        .filter_map(|(step, _)| match &step.action {
            Action::Revoke { entitlement, .. } => Some(entitlement.to_string()),
            _ => None,
        })
        .collect();
    // Administrative power first, then applications, then groups.
    assert_eq!(
        revoked[..2],
        ["role Security Reader".to_owned(), format!("app {APPROVE}")],
        "{revoked:?}"
    );
    assert!(
        revoked[2..].contains(&"group st-security".to_owned()),
        "{revoked:?}"
    );
    assert!(
        !revoked.iter().any(|text| text.contains("Claims.Audit")),
        "{revoked:?}"
    );
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn who_comes_back_has_none_of_the_old_app_roles() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let id = world.id("W-1").await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    // Given by hand while the account lay blocked.
    world.assign(&id, "Claims.Approve").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    assert_eq!(world.app_roles(&id).await, [""; 0]);
}
