//! How iam-graph has people join: user, manager, three groups, a licence.

use std::error::Error;

use iam_graph::GraphClient;
use iam_graph::users::{DirectoryObject, NewUser, UserPatch};

use crate::graph_peer::Plan;

/// Returns how many joined. The way is chosen here, and nowhere else: everybody's account first, for what follows
/// needs its id, then everything that it is given, twenty operations in each request.
pub(crate) async fn join(client: &GraphClient, plan: &Plan) -> Result<usize, Box<dyn Error>> {
    let operations = client.operations();
    let mut accounts = client.batch();
    for number in 0..plan.people {
        accounts.add(operations.create_user(&joiner(number, plan))?);
    }
    let mut gifts = client.batch();
    for account in accounts.send().await {
        let user: DirectoryObject = account?.json()?;
        gifts.add(operations.set_manager(&user.id, &plan.manager)?);
        for group in &plan.groups {
            gifts.add(operations.add_member(group, &user.id)?);
        }
        gifts.add(operations.assign_license(&user.id, &[&plan.sku], &[])?);
    }
    for gift in gifts.send().await {
        gift?;
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
