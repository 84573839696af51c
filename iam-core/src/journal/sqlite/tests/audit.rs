//! Whoever changes the file behind the journal's back is found out, and who is erased leaves nothing in it.

use std::sync::Arc;

use super::*;
use crate::engine::Engine;
use crate::journal::audit::{Breach, Checkpoint};
use crate::journal::{AccountRef, Lifecycle};
use crate::policy::Document;

const POLICY: &str = "version = 1\n[tenant]\ndomain = \"contoso.example\"\n";

fn engine(journal: &SqliteJournal) -> Engine {
    let policy = Arc::new(Document::parse(POLICY).unwrap());
    Engine::builder(Arc::new(journal.clone()), policy).build()
}

/// A journal in which a few people have joined.
async fn told(path: &Path) -> Checkpoint {
    let journal = open(path).await;
    for person in ["p", "q", "r"] {
        let event = join(person, 0);
        journal.append(std::slice::from_ref(&event)).await.unwrap();
        let claim = journal.claim(1, at(1), LEASE).await.unwrap().remove(0);
        journal.complete(&claim, &claim.state, &[]).await.unwrap();
    }
    let end = engine(&journal).verify_audit(None).await.unwrap().unwrap();
    assert_eq!(end.sequence, 6);
    journal.close().await.unwrap();
    end
}

async fn breach(path: &Path, checkpoint: Option<&Checkpoint>) -> Breach {
    let journal = open(path).await;
    let breach = engine(&journal)
        .verify_audit(checkpoint)
        .await
        .unwrap()
        .unwrap_err();
    journal.close().await.unwrap();
    breach
}

#[tokio::test]
async fn the_audit_is_not_changed_by_a_mere_statement() {
    let (_folder, path) = in_folder();
    told(&path).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut conn = options.connect().await.unwrap();
    for statement in ["UPDATE audit SET detail = 'x'", "DELETE FROM audit"] {
        let refused = sqlx::query(statement).execute(&mut conn).await.unwrap_err();
        assert!(refused.to_string().contains("only added to"), "{refused}");
    }
}

#[tokio::test]
async fn whoever_tampers_with_the_file_is_found_out() {
    const FREE: &str = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;";
    let cases: [(&str, Breach); 6] = [
        (
            "UPDATE audit SET detail = 'leave' WHERE sequence = 3",
            Breach::Changed { sequence: 3 },
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE sequence = 5",
            Breach::Changed { sequence: 5 },
        ),
        (
            "DELETE FROM audit WHERE sequence = 2",
            Breach::Missing {
                expected: 2,
                found: 3,
            },
        ),
        (
            "DELETE FROM audit WHERE sequence > 4",
            Breach::Cut { checkpoint: 6 },
        ),
        (
            "UPDATE event SET event = replace(event, '\"join\"', '\"move\"') WHERE person = 'q'",
            Breach::Payload { sequence: 3 },
        ),
        (
            "UPDATE audit SET sequence = -1 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 4; \
             UPDATE audit SET sequence = 4 WHERE sequence = -1",
            Breach::Changed { sequence: 3 },
        ),
    ];
    for (statement, expected) in cases {
        let (_folder, path) = in_folder();
        told(&path).await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut conn = options.connect().await.unwrap();
        let tampering = format!("{FREE}{statement}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(tampering))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
        assert_eq!(breach(&path, None).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn a_checkpoint_finds_what_was_cut_off_and_what_was_written_anew() {
    let (_folder, path) = in_folder();
    let end = told(&path).await;
    let (_other, anew) = in_folder();
    told(&anew).await;
    assert_eq!(
        breach(&anew, Some(&end)).await,
        Breach::Cut { checkpoint: 6 },
        "another past"
    );
    let cut = "DROP TRIGGER audit_is_not_deleted; DELETE FROM audit WHERE sequence > 4; \
               UPDATE audit_head SET sequence = 4, hash = (SELECT hash FROM audit WHERE sequence = 4)";
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut conn = options.connect().await.unwrap();
    sqlx::raw_sql(cut).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let journal = open(&path).await;
    assert!(
        engine(&journal).verify_audit(None).await.unwrap().is_ok(),
        "by itself it looks whole"
    );
    journal.close().await.unwrap();
    assert_eq!(breach(&path, Some(&end)).await, Breach::Cut { checkpoint: 6 });
}

#[tokio::test]
async fn who_is_erased_leaves_nothing_in_the_file() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    let mut event = join("W-1003", 0);
    let person = Person {
        family_name: Some("Tanaka".to_owned()),
        ..Person::new(PersonKey::new("W-1003"))
    };
    event.record = Some(person.clone());
    journal.append(std::slice::from_ref(&event)).await.unwrap();
    let claim = journal.claim(1, at(1), LEASE).await.unwrap().remove(0);
    let name = "mei.tanaka@contoso.example".to_owned();
    journal.reserve(&name, &person.key).await.unwrap();
    let account = AccountRef {
        id: "a-1".into(),
        name,
    };
    let target = crate::entitlement::TargetId::new("graph");
    let action = Action::CreateAccount {
        name: account.name.clone(),
        attributes: [].into(),
    };
    let step = Step::new(&target, &person.key, None, action, "first day");
    let mut plan = Plan::empty(&person.key);
    plan.steps.push(step.clone());
    journal.plan(&claim, &plan).await.unwrap();
    let idempotency = IdempotencyKey::of(&event.id, &step);
    journal.intend(&claim, &step.id, &idempotency).await.unwrap();
    journal
        .settle(
            &claim,
            &step.id,
            &Outcome::Done {
                account: Some("a-1".into()),
            },
            at(2),
        )
        .await
        .unwrap();
    let mut state = claim.state.clone();
    state.record = Some(person.clone());
    state.lifecycle = Lifecycle::Deleted;
    state.accounts.insert(target, account);
    journal.complete(&claim, &state, &[]).await.unwrap();

    let engine = engine(&journal);
    engine
        .erase(&person.key, "officer", "asked for it")
        .await
        .unwrap();
    engine.verify_audit(None).await.unwrap().unwrap();
    drop(engine);
    journal.close().await.unwrap();
    let file = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&file).to_lowercase();
    for word in ["tanaka", "a-1"] {
        assert!(!text.contains(word), "{word} is still in the file");
    }
    assert!(text.contains("officer"));
}
