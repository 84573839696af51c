//! What Azure Resource Manager allows is spent once, by however many processes.

use iam_core::clock::Clock as _;
use iam_core::engine::SharedBudget;
use iam_core::http::{Allowance, Method};
use iam_core::journal::MemoryJournal;

use super::*;

fn client(azure: &Azure, allowance: Option<Arc<dyn Allowance>>) -> ArmClient {
    let cloud = Cloud::custom(&azure.server.uri(), &azure.server.uri())
        .unwrap()
        .with_arm(&azure.server.uri())
        .unwrap();
    let client = ArmClient::builder(cloud, Arc::new(Token), Arc::new(HttpTransport::new().unwrap()));
    let client = client.clock(azure.clock.clone());
    match allowance {
        Some(allowance) => client.allowance(allowance),
        None => client,
    }
    .build()
    .unwrap()
}

/// 450 requests of two clients; for how long they waited, in seconds.
async fn many(clients: [ArmClient; 2], azure: &Azure) -> i64 {
    let begun = azure.clock.now();
    for n in 0..450 {
        let path = "/subscriptions/s1?api-version=2022-12-01";
        clients[n % 2]
            .request(Method::Get, path, None, "get subscription")
            .await
            .unwrap();
    }
    azure.clock.now().duration_since(begun).as_secs()
}

#[tokio::test]
async fn two_processes_spend_what_one_may() {
    let azure = azure(|_, _| (200, json!({}))).await;
    assert_eq!(
        many([client(&azure, None), client(&azure, None)], &azure).await,
        0
    );
    let journal = Arc::new(MemoryJournal::new());
    let shared = [0, 1].map(|_| {
        let budget = SharedBudget::new(journal.clone(), azure.clock.clone(), "arm")
            .share(1.0)
            .reserved(0.0);
        client(&azure, Some(Arc::new(budget)))
    });
    // 250 at once, and 25 in each second after that.
    let waited = many(shared, &azure).await;
    assert!((7..=20).contains(&waited), "{waited}");
}
