//! A look at the server finds what is wrong with it.

use super::wire::Pooler;
use super::{ACME, Place, join};
use crate::journal::{About, Finding, Health, Journal, PostgresJournal};

fn wrong(found: &[Finding]) -> Vec<(About, Health)> {
    let wrong = found.iter().filter(|finding| finding.health != Health::Good);
    wrong.map(|finding| (finding.about, finding.health)).collect()
}

/// What the tests' own server is blamed for.
const OURS: [(About, Health); 3] = [
    (About::Integrity, Health::Doubtful),
    (About::Settings, Health::Doubtful),
    (About::Privacy, Health::Doubtful),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_journal_is_found_sound_but_for_its_role_and_a_setting() {
    let place = Place::new();
    let journal = place.open().await;
    journal.append(&[join("p", 0)]).await.unwrap();
    let found = journal.check().await.unwrap();
    let wrong = wrong(&found);
    assert!(
        wrong == OURS,
        "no checksums, a superuser, and idle_in_transaction_session_timeout is not set: {found:?}"
    );
    for about in [
        About::Version,
        About::Schema,
        About::Flush,
        About::Clock,
        About::Sessions,
        About::Audit,
    ] {
        assert!(
            found.iter().any(|finding| finding.about == about),
            "{about:?} was not looked at"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_may_be_changed_is_found() {
    let place = Place::new();
    let journal = place.open().await;
    journal.append(&[join("p", 0)]).await.unwrap();
    place
        .run("ALTER TABLE audit DISABLE TRIGGER audit_is_not_changed")
        .await;
    let bad = |found: &[Finding]| {
        let bad = found.iter().filter(|finding| finding.health == Health::Bad);
        bad.map(|finding| finding.about).collect::<Vec<_>>()
    };
    assert_eq!(bad(&journal.check().await.unwrap()), [About::Audit]);
    place.run("UPDATE audit SET detail = 'x'").await;
    assert_eq!(bad(&journal.check().await.unwrap()), [About::Audit, About::Audit]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_the_journal_was_not_told_of_is_found() {
    let place = Place::new();
    // As it is refused at once.
    let strict = Pooler::start(&place.url).await;
    let refused = PostgresJournal::builder(&strict.url(), ACME).schema(&place.schema);
    let refused = refused.open().await.unwrap_err();
    assert!(
        refused.to_string().contains("open the journal as pooled"),
        "{refused}"
    );
    let lenient = "ignore_startup_parameters = extra_float_digits\n";
    let pooler = Pooler::start_with(&place.url, lenient).await;
    let told = PostgresJournal::builder(&pooler.url(), ACME)
        .schema(&place.schema)
        .pooled(true);
    let told = told.open().await.unwrap().check().await.unwrap();
    assert!(
        !wrong(&told).iter().any(|(about, _)| *about == About::Sessions),
        "{told:?}"
    );
    let server = place.url.clone();
    let not_told = PostgresJournal::builder(&pooler.url(), ACME)
        .schema(&place.schema)
        .listen(server);
    let not_told = not_told.open().await.unwrap().check().await.unwrap();
    assert_eq!(wrong(&not_told), [(About::Sessions, Health::Bad)]);
}
