//! What the directory would not tell of people's roles: who leaves does not wait for it, everybody else is held.

use iam_core::engine::Ending;
use iam_core::http::Method;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::world::World;

const ELIGIBLE: &str = "/roleManagement/directory/roleEligibilityScheduleInstances";
const APP_ROLES: &str = "/users/*/appRoleAssignments";

impl World {
    fn refuse(&self, path: &str) {
        let refused = Effect::Status {
            status: 403,
            retry_after: RetryAfter::Missing,
        };
        self.sandbox.fault(Fault::new(refused).on("GET", path));
    }

    /// Makes somebody eligible for a role by hand.
    async fn make_eligible(&self, person: &str) {
        let path =
            "/roleManagement/directory/roleDefinitions?$filter=displayName%20eq%20'User%20Administrator'";
        let role = self.get(path).await["value"][0]["id"].clone();
        let body = json!({
            "action": "adminAssign", "principalId": self.id(person).await, "roleDefinitionId": role,
            "directoryScopeId": "/", "justification": "by hand",
            "scheduleInfo": {"expiration": {"type": "noExpiration"}},
        });
        let requests = "/roleManagement/directory/roleEligibilityScheduleRequests";
        self.change(Method::Post, requests, body).await;
    }

    /// Gives somebody a role of the claims portal by hand.
    async fn give_app_role(&self, person: &str) {
        let path = "/servicePrincipals?$filter=displayName%20eq%20'Claims%20portal'";
        let portal = self.get(path).await["value"][0].clone();
        let body = json!({
            "principalId": self.id(person).await, "resourceId": portal["id"],
            "appRoleId": portal["appRoles"][0]["id"],
        });
        let path = format!(
            "/servicePrincipals/{}/appRoleAssignedTo",
            portal["id"].as_str().unwrap()
        );
        self.change(Method::Post, &path, body).await;
    }

    /// How many roles the tenant has somebody down for: to activate, and in applications. Asked behind the faults.
    fn by_hand(&self, person: &str) -> (usize, usize) {
        let (state, user) = (self.sandbox.state(), self.sandbox.user(person).unwrap());
        let app_roles = state["appRoleAssignments"].as_array().unwrap().iter();
        (
            user["eligibleRoles"].as_array().unwrap().len(),
            app_roles.filter(|held| held["principalId"] == user["id"]).count(),
        )
    }
}

#[tokio::test]
async fn a_leaver_is_out_at_once_and_loses_the_rest_once_it_may_be_read() {
    for (path, left, permission) in [
        (ELIGIBLE, (1, 0), "RoleEligibilitySchedule.Read.Directory"),
        (APP_ROLES, (0, 1), "Directory.Read.All"),
    ] {
        let world = World::new().await;
        world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
        world.make_eligible("W-1").await;
        world.give_app_role("W-1").await;
        assert_eq!(world.by_hand("W-1"), (1, 1));
        let mails = world.mails().len();
        world.refuse(path);
        let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
        assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
        assert_eq!(world.by_hand("W-1"), left, "{report:?}");
        let Ending::Retry(again, why) = &report.people[0].ending else {
            panic!("{report:?}")
        };
        assert!(why.contains(permission), "{why}");
        assert_eq!(world.mails().len(), mails, "it is not over yet");

        world.sandbox.clear_faults();
        world.clock.set(*again);
        let report = world.run().await;
        assert_eq!(
            (report.totals().open, report.totals().failed),
            (0, 0),
            "{report:?}"
        );
        assert_eq!(world.by_hand("W-1"), (0, 0));
        assert_eq!(world.mails()[mails..], ["Mei Tanaka has left"]);
        assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    }
}

#[tokio::test]
async fn a_mover_is_held_and_nothing_is_lost_and_nobody_else_is_stopped() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let before = world.look("W-1").await;
    world.refuse(ELIGIBLE);
    let report = world.hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales"]).await;
    let waits = report
        .people
        .iter()
        .find(|run| run.person.as_str() == "W-1")
        .unwrap();
    assert!(
        matches!(&waits.ending, Ending::Retry(_, why) if why.contains("nothing is given or taken there")),
        "{report:?}"
    );
    assert!(waits.outcomes.is_empty(), "{report:?}");
    assert_eq!(
        (
            world.look("W-1").await,
            world.account("W-1").await["department"].clone()
        ),
        (before, json!("Sales"))
    );
    assert_eq!(
        world.look("W-2").await,
        "bo.ek enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ",
        "who has no account yet holds nothing"
    );
    let Ending::Retry(again, _) = waits.ending.clone() else {
        unreachable!()
    };
    world.sandbox.clear_faults();
    world.clock.set(again);
    world.run().await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
    assert_eq!(world.account("W-1").await["department"], Value::from("Security"));
}
