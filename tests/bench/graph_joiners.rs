//! How iam-graph has people join: user, manager, three groups, a licence.

use std::error::Error;

use iam_graph::GraphClient;
use iam_graph::users::{NewUser, UserPatch};

use crate::graph_peer::Plan;

/// Returns how many joined. The way is chosen here, and nowhere else.
pub(crate) async fn join(client: &GraphClient, plan: &Plan) -> Result<usize, Box<dyn Error>> {
    one_by_one(client, plan).await
}

/// One call after another, as the other clients do it.
async fn one_by_one(client: &GraphClient, plan: &Plan) -> Result<usize, Box<dyn Error>> {
    for number in 0..plan.people {
        let user = client.create_user(&joiner(number, plan)).await?;
        client.set_manager(&user.id, &plan.manager).await?;
        for group in &plan.groups {
            client.add_member(group, &user.id).await?;
        }
        client.assign_license(&user.id, &[&plan.sku], &[]).await?;
    }
    Ok(plan.people)
}

fn joiner(number: usize, plan: &Plan) -> NewUser {
    let nickname = format!("joiner{number}");
    NewUser {
        user_principal_name: format!("{nickname}@{}", plan.domain),
        mail_nickname: nickname,
        display_name: format!("Joiner {number}"),
        employee_id: None,
        account_enabled: true,
        password: "Bare-and-simple-1!".into(),
        properties: UserPatch::new().set("usageLocation", "AU"),
    }
}
