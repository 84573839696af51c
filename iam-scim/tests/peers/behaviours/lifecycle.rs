//! What the target promises, at either server.

use super::*;

pub(crate) async fn a_joiner_is_created_once_and_inactive(at: Place) {
    let id = at.joined("ada").await;
    let again = at.join("ada", &[]).await.unwrap();
    assert_eq!(
        again,
        Applied::AlreadySo {
            account: Some(id.clone())
        }
    );
    let user = at.client.user(&id).await.unwrap();
    assert_eq!(user.active, Some(false));
    assert_eq!(user.external_id.as_deref(), Some(at.worker("ada").as_str()));
}

pub(crate) async fn a_taken_name_is_reported(at: Place) {
    at.joined("ada").await;
    let other = Step::new(
        at.target.id(),
        &at.worker("grace"),
        None,
        Action::CreateAccount {
            name: at.name("ADA"),
            attributes: Attributes::new(),
        },
        "test",
    );
    let key = IdempotencyKey::of(&EventId::new("e1"), &other);
    let error = at.target.apply(&other, &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    // The server itself says so too.
    let error = at
        .client
        .create_user(&User::new(at.name("ada")))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::AlreadyExists, Some("uniqueness"))
    );
}

pub(crate) async fn attributes_go_both_ways(at: Place) {
    let first = [
        (Attribute::DisplayName, "Ada Lovelace"),
        (Attribute::GivenName, "Ada"),
        (Attribute::FamilyName, "Lovelace"),
        (Attribute::JobTitle, "Analyst"),
        (Attribute::WorkerType, "Employee"),
        (Attribute::Department, "Engines"),
        (Attribute::CostCenter, "C-7"),
        (Attribute::Company, "Contoso"),
        (Attribute::Location, "Perth"),
        (Attribute::Country, "AU"),
    ];
    let Applied::Done { account: Some(id) } = at.join("ada", &first).await.unwrap() else {
        panic!("not created");
    };
    let seen = at.observed("ada", &id).await.account.unwrap().attributes;
    assert_eq!(seen, values(&first));

    let changes = [
        (Attribute::JobTitle, ""),
        (Attribute::FamilyName, "King"),
        (Attribute::Department, "Looms"),
        (Attribute::CostCenter, ""),
        (Attribute::Location, "Sydney"),
    ];
    assert_eq!(at.apply("ada", Some(&id), update(&changes)).await.unwrap(), DONE);
    let mut expect = values(&first);
    for (name, value) in changes {
        if value.is_empty() {
            expect.remove(&name);
        } else {
            expect.insert(name, value.to_owned());
        }
    }
    let seen = at.observed("ada", &id).await.account.unwrap().attributes;
    assert_eq!(seen, expect);
    assert_eq!(
        at.apply("ada", Some(&id), update(&changes)).await.unwrap(),
        ALREADY
    );
}

pub(crate) async fn accounts_are_found_by_worker_id(at: Place) {
    let id = at.joined("ada").await;
    let recorded = Keys {
        person: at.worker("grace"),
        account: Some(id.clone()),
    };
    let keys = [at.keys("nobody"), at.keys("ada"), recorded];
    let found = at.target.find(&keys).await.unwrap();
    let ids = |index: usize| {
        found[index]
            .active
            .iter()
            .map(|account| account.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(0), ids(1)), (vec![], vec![id]));
    // Recorded, but the account carries somebody else's worker id.
    assert_eq!(ids(2), Vec::<String>::new());
    assert!(!found[1].active[0].enabled && found.iter().all(|found| found.deleted.is_empty()));
}

pub(crate) async fn names_in_use_are_reported(at: Place) {
    let id = at.joined("ada").await;
    let taken = at
        .target
        .names_taken(&[at.name("Ada"), at.name("grace")])
        .await
        .unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(at.name("ada"), id)]);
}

pub(crate) async fn a_manager_is_linked_once(at: Place) {
    let (ada, grace) = (at.joined("ada").await, at.joined("grace").await);
    let link = || Action::SetManager {
        manager: Some(at.worker("grace")),
        manager_account: grace.clone(),
        before: None,
    };
    assert_eq!(at.apply("ada", Some(&ada), link()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), link()).await.unwrap(), ALREADY);
    let account = at.observed("ada", &ada).await.account.unwrap();
    assert_eq!(account.manager, Some(grace));
}

pub(crate) async fn sign_in_is_blocked_and_allowed(at: Place) {
    let id = at.joined("ada").await;
    let steps = [
        (Action::AllowSignIn, DONE, true),
        (Action::AllowSignIn, ALREADY, true),
        (Action::RevokeSessions, ALREADY, true),
        (Action::ResetPassword, ALREADY, true),
        (Action::BlockSignIn, DONE, false),
        (Action::BlockSignIn, ALREADY, false),
        (
            Action::RestoreAccount,
            Applied::Done {
                account: Some(id.clone()),
            },
            true,
        ),
    ];
    for (action, expect, enabled) in steps {
        let kind = action.kind().to_owned();
        assert_eq!(
            at.apply("ada", Some(&id), action).await.unwrap(),
            expect,
            "{kind}"
        );
        let account = at.observed("ada", &id).await.account.unwrap();
        assert_eq!(account.enabled, enabled, "{kind}");
    }
}

pub(crate) async fn roles_are_groups_given_and_taken_once(at: Place) {
    let (ada, grace) = (at.joined("ada").await, at.joined("grace").await);
    let agents = at.group("agents").await;
    let catalog = at.target.catalog().await.unwrap();
    assert!(
        catalog
            .item(&agents)
            .is_some_and(|item| item.entitlement == agents)
    );

    let give = || Action::grant(agents.clone());
    assert_eq!(at.apply("grace", Some(&grace), give()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), give()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), give()).await.unwrap(), ALREADY);
    let held = at.observed("ada", &ada).await.held;
    assert_eq!(
        held.iter().map(|held| &held.entitlement).collect::<Vec<_>>(),
        [&agents]
    );

    assert_eq!(at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(),
        ALREADY
    );
    assert!(at.observed("ada", &ada).await.held.is_empty());
    // Nobody else lost anything.
    assert!(at.observed("grace", &grace).await.holds(&agents));

    at.client.delete_group(&agents.id).await.unwrap();
    assert_eq!(
        at.apply("grace", Some(&grace), revoke(&agents)).await.unwrap(),
        ALREADY
    );
}

pub(crate) async fn a_deleted_account_is_gone_and_stays_so(at: Place) {
    let id = at.joined("ada").await;
    assert_eq!(
        at.apply("ada", Some(&id), Action::DeleteAccount).await.unwrap(),
        DONE
    );
    assert_eq!(
        at.apply("ada", Some(&id), Action::DeleteAccount).await.unwrap(),
        ALREADY
    );
    assert!(at.observed("ada", &id).await.account.is_none());
    let found = at.target.find(&[at.keys("ada")]).await.unwrap();
    assert!(found[0].active.is_empty());
}

pub(crate) async fn without_patch_and_filter_the_end_is_the_same(at: Place) {
    let mut abilities = (*at.client.abilities().await.unwrap()).clone();
    (abilities.patch, abilities.filter) = (false, false);
    at.client.assume(abilities).await;

    let ada = at.joined("ada").await;
    let agents = at.group("agents").await;
    let changes = [
        (Attribute::Department, "Looms"),
        (Attribute::JobTitle, "Analyst"),
        (Attribute::Country, "AU"),
    ];
    assert_eq!(at.apply("ada", Some(&ada), update(&changes)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), Action::AllowSignIn).await.unwrap(),
        DONE
    );
    assert_eq!(
        at.apply("ada", Some(&ada), Action::grant(agents.clone()))
            .await
            .unwrap(),
        DONE
    );
    let actual = at.observed("ada", &ada).await;
    assert!(actual.holds(&agents));
    let account = actual.account.unwrap();
    assert!(account.enabled);
    for (name, value) in changes {
        assert_eq!(account.attributes.get(&name).map(String::as_str), Some(value));
    }
    assert_eq!(at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), Action::BlockSignIn).await.unwrap(),
        DONE
    );
    let actual = at.observed("ada", &ada).await;
    assert!(actual.held.is_empty() && !actual.account.unwrap().enabled);
    let found = at.target.find(&[at.keys("ada")]).await.unwrap();
    assert_eq!(found[0].active[0].id, ada);
    assert_eq!(
        at.join("ada", &[]).await.unwrap(),
        Applied::AlreadySo { account: Some(ada) }
    );
}

/// The whole lifecycle, decided by the engine.
pub(crate) async fn a_person_joins_moves_and_leaves(at: Place) {
    let policy = r#"
        version = 1
        [tenant]
        domain = "contoso.example"
        [naming]
        upn = ["{given}.{family}"]
        display_name = "{given} {family}"
        [defaults]
        usage_location = "person.country"
    "#;
    let engine = Engine::builder(
        Arc::new(MemoryJournal::new()),
        Arc::new(Document::parse(policy).unwrap()),
    )
    .target(Arc::new(at.target.clone().with_domains(["contoso.example"])))
    .clock(Arc::new(ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap())))
    .build();
    let hear = async |change: fn(&mut Person)| {
        let mut person = Person::new(at.worker("mei"));
        (person.given_name, person.family_name) = (Some("Mei".into()), Some("Tanaka".into()));
        (person.department, person.country) = (Some("Sales".into()), Some("AU".into()));
        person.hire_date = "2026-11-01".parse().ok();
        change(&mut person);
        engine.accept([person]).await.unwrap();
        let report = engine.run(&|_| {}).await.unwrap();
        assert_eq!(report.totals().open, 0, "{report:?}");
        let mut found = at.target.find(&[at.keys("mei")]).await.unwrap();
        found.remove(0).active.remove(0)
    };
    let department =
        |account: &iam_core::entitlement::Account| account.attributes[&Attribute::Department].clone();

    let joined = hear(|_| {}).await;
    assert!(joined.enabled);
    assert_eq!(
        (joined.name.as_str(), department(&joined).as_str()),
        ("mei.tanaka@contoso.example", "Sales")
    );
    // Nothing is left to do: what SCIM has no place for is not asked for again.
    assert_eq!(engine.plan().await.unwrap().steps(), 0);

    let moved = hear(|person| person.department = Some("Security".into())).await;
    assert_eq!(
        (moved.id.as_str(), department(&moved).as_str()),
        (joined.id.as_str(), "Security")
    );

    let left = hear(|person| person.status = Status::Terminated).await;
    assert_eq!((left.id, left.enabled), (joined.id, false));
}
