//! What the tenant says of itself: organization, domains, products, conditional access.

use iam_core::ErrorKind;

use super::tenant;

#[tokio::test]
async fn the_tenant_is_read() {
    let tenant = tenant().await;
    let (client, sandbox) = (&tenant.client, &tenant.sandbox);
    let found = client.organization().await.unwrap();
    assert_eq!(found.id, sandbox.tenant_id());
    let default = |domain: &&iam_graph::organization::VerifiedDomain| domain.is_default == Some(true);
    assert_eq!(
        found.verified_domains.iter().find(default).unwrap().name,
        "contoso.example"
    );
    assert!(
        found
            .assigned_plans
            .iter()
            .any(|plan| plan.service.as_deref() == Some("exchange"))
    );
    let domain = client.domain("contosohealth.onmicrosoft.com").await.unwrap();
    assert!(domain.is_verified && domain.is_initial == Some(true));
    assert_eq!(
        client.domain("other.example").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    for sku in client.list_skus().await.unwrap() {
        let mut one = client.sku(&sku.id).await.unwrap();
        one.other.remove("@odata.context");
        assert_eq!(one, sku);
        assert!(!sku.service_plans.is_empty());
    }
    assert_eq!(client.sku("0").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn policies_are_read_with_what_they_demand() {
    let tenant = tenant().await;
    let all = tenant.client.list_conditional_access().await.unwrap();
    let enforced: Vec<(&str, bool)> = all
        .iter()
        .filter(|policy| policy.is_enforced())
        .map(|policy| (policy.display_name.as_str(), policy.demands_mfa()))
        .collect();
    assert_eq!(
        enforced,
        [
            ("Administrators need multifactor authentication", true),
            ("No legacy authentication", false),
        ]
    );
    let rescue = tenant.user("break-glass@contoso.example");
    for policy in &all {
        let one = tenant.client.conditional_access(&policy.id).await.unwrap();
        assert_eq!(one.conditions, policy.conditions);
        let users = one.conditions.users.unwrap();
        assert_eq!(rescue["id"], users.exclude_users[0].as_str());
    }
    let unknown = tenant.client.conditional_access("0").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}
