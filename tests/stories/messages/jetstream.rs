//! Messages by NATS JetStream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use futures::StreamExt as _;
use iam_core::clock::{Clock as _, SystemClock};
use iam_core::ingest::{Nats, NatsSignIn, Outbox};
use iam_core::journal::{Journal as _, MemoryJournal};
use iam_core::testing::PostgresServer;
use serde_json::{Value, json};

use super::server::Server;
use super::{ended_well, event, events, hire, office, record, worker};

async fn publish(context: &Context, headers: &[(&str, &str)], text: &str) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    let sent = context.publish_with_headers("hr.people", map, text.to_owned().into());
    sent.await.unwrap().await.unwrap();
}

/// A CloudEvent in the payload, one in headers, a record with a message id, one without, and what is none of them.
async fn publish_each_kind(context: &Context) {
    publish(
        context,
        &[],
        &event("1", "record", &record("W-1", "Sales")).to_string(),
    )
    .await;
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/hr"),
        ("ce-type", "iam-platform.hr.event"),
    ];
    publish(context, &headers, r#"{"person": "W-2", "kind": "leave"}"#).await;
    publish(
        context,
        &[("Nats-Msg-Id", "m-3")],
        &record("W-3", "Sales").to_string(),
    )
    .await;
    publish(context, &[], &record("W-4", "Sales").to_string()).await;
    let mut nameless = event("", "record", &record("W-5", "Sales"));
    nameless["specversion"] = "2.0".into();
    publish(
        context,
        &[("content-type", "application/cloudevents+json")],
        &nameless.to_string(),
    )
    .await;
    publish(context, &[], "not even JSON").await;
}

/// A consumer dies around writes of a journal that `journal` makes for it.
async fn a_consumer_dies(journal: impl Fn(&str) -> String) {
    let mut killed = 0;
    for edge in ["before", "after"] {
        let strikes = 1..=8;
        let (server, journal) = (Server::start().await, journal(edge));
        let context = server.with_streams().await;
        publish_each_kind(&context).await;
        // One after another on the same stream and journal, each a little further than the one before.
        for write in strikes {
            let strike = format!("{edge} {write}");
            let child = worker(&journal, &strike, "take", &server.url()).spawn();
            killed += usize::from(!ended_well(&mut child.unwrap(), &strike));
        }
        let child = worker(&journal, "never", "take", &server.url()).spawn();
        assert!(ended_well(&mut child.unwrap(), "never"));
        let stream = context.get_stream(office::HR).await.unwrap();
        let consumer = stream.consumer_info(office::CONSUMER).await.unwrap();
        assert_eq!(
            (consumer.num_pending, consumer.num_ack_pending),
            (0, 0),
            "everything is acknowledged"
        );
        assert!(consumer.delivered.consumer_sequence > 6, "nothing came again");
        let journal = office::open(&journal).await;
        assert_eq!(
            events(journal.as_ref()).await,
            ["W-1 join", "W-2 leave", "W-3 join", "W-4 join"],
            "{edge}"
        );
        let letters = journal.letters(None, 10).await.unwrap();
        let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(
            reasons
                .iter()
                .any(|reason| reason.contains("attribute specversion: expected 1.0")),
            "{reasons:?}"
        );
        let foreign = letters
            .iter()
            .find(|letter| letter.message.data == b"not even JSON")
            .unwrap();
        assert_eq!(
            (foreign.message.source.as_str(), foreign.message.id.as_str()),
            ("nats:HR/hr.people", "6")
        );
    }
    assert!(killed >= 6, "only {killed} were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_killed_before_it_acknowledges_gets_the_message_again_and_it_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    a_consumer_dies(|edge| folder.path().join(edge).display().to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_with_its_journal_at_a_server_gets_the_message_again_and_it_counts_once() {
    let server = PostgresServer::shared();
    a_consumer_dies(|_| format!("{}#{}", server.url(), server.fresh_schema())).await;
}

async fn drain(input: &iam_core::ingest::NatsInput, messages: u64) {
    let mut taken = 0;
    for _ in 0..200 {
        // While the server is away there is nothing to be had, and then there is.
        let Ok(received) = input.take(50, Duration::from_millis(500)).await else {
            SystemClock.sleep(Duration::from_millis(100)).await;
            continue;
        };
        taken += received.messages;
        if taken >= messages {
            return;
        }
    }
    panic!("{taken} of {messages} messages came");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_effective_date_counts_and_not_the_order_in_which_a_stream_has_two_events() {
    let leave = json!({ "person": "W-1", "kind": "leave", "last_day": "2026-11-20" });
    let back = json!({ "person": "W-1", "kind": "rejoin", "effective": "2026-11-23" });
    let joined = event("1", "record", &record("W-1", "Sales"));
    let (gone, returned) = (event("2", "event", &leave), event("3", "event", &back));
    let mut ended = Vec::new();
    for order in [[&gone, &returned], [&returned, &gone]] {
        let server = Server::start().await;
        let context = server.with_streams().await;
        let (engine, target) = office::engine(Arc::new(MemoryJournal::new()));
        let engine = Arc::new(engine);
        let nats = Nats::connect(&server.url(), NatsSignIn::Nobody).await.unwrap();
        let input = nats
            .input(engine.clone(), office::HR, office::CONSUMER)
            .await
            .unwrap();
        publish(&context, &[], &joined.to_string()).await;
        drain(&input, 1).await;
        engine.run(&|_| {}).await.unwrap();
        for event in order {
            publish(&context, &[], &event.to_string()).await;
        }
        drain(&input, 2).await;
        engine.run(&|_| {}).await.unwrap();
        let enabled = target
            .accounts()
            .iter()
            .filter_map(|one| one.account.as_ref())
            .all(|one| one.enabled);
        ended.push(enabled);
    }
    assert_eq!(
        ended,
        [true, true],
        "who left on the 20th and came back on the 23rd is here on the 24th"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_loses_nothing_and_nobody_has_to_do_anything() {
    let mut server = Server::start().await;
    let context = server.with_streams().await;
    let journal = Arc::new(MemoryJournal::new());
    let engine = Arc::new(office::engine(journal.clone()).0);
    let nats = Nats::connect(&server.url(), NatsSignIn::Nobody).await.unwrap();
    let input = nats
        .input(engine.clone(), office::HR, office::CONSUMER)
        .await
        .unwrap();
    for n in 0..10 {
        publish(
            &context,
            &[],
            &event(&n.to_string(), "record", &record(&format!("W-{n}"), "Sales")).to_string(),
        )
        .await;
    }
    drain(&input, 4).await;
    server.kill();
    // Outcomes wait as well.
    engine.run(&|_| {}).await.unwrap();
    let publisher = Arc::new(nats.publisher(office::OUTCOMES, office::SOURCE));
    let outbox = Outbox::new(journal.clone(), "story", publisher);
    let down = outbox.deliver().await.unwrap();
    assert_eq!(down.sent, 0);
    assert!(down.next.is_some() && down.why.is_some());
    server.start_again().await;
    let context = server.context().await;
    publish(
        &context,
        &[],
        &event("10", "record", &record("W-10", "Sales")).to_string(),
    )
    .await;
    let known = async || {
        journal
            .history(&iam_core::journal::HistoryQuery::default())
            .await
            .unwrap()
            .len()
    };
    for _ in 0..200 {
        if known().await >= 11 {
            break;
        }
        drop(input.take(50, Duration::from_millis(500)).await);
    }
    engine.run(&|_| {}).await.unwrap();
    let all = journal
        .history(&iam_core::journal::HistoryQuery::default())
        .await
        .unwrap();
    let people: BTreeSet<_> = all.iter().map(|entry| entry.event.person.clone()).collect();
    assert_eq!((people.len(), all.len()), (11, 11), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_published_and_a_repeat_is_the_message_that_the_stream_has() {
    const PEOPLE: usize = 70;
    let server = Server::start().await;
    let context = server.with_streams().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.sqlite").display().to_string();
    hire(&office::engine(office::open(&journal).await).0, PEOPLE).await;
    for strike in ["before 1", "after 1"] {
        let child = worker(&journal, strike, "publish", &server.url()).spawn();
        assert!(!ended_well(&mut child.unwrap(), strike), "{strike}");
    }
    let child = worker(&journal, "never", "publish", &server.url()).spawn();
    assert!(ended_well(&mut child.unwrap(), "never"));
    let stream = context.get_stream("OUTCOMES").await.unwrap();
    let config = async_nats::jetstream::consumer::pull::Config::default();
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut batch = consumer.fetch().max_messages(1000).messages().await.unwrap();
    let mut people = Vec::new();
    while let Some(message) = batch.next().await {
        let message = message.unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let id = message
            .headers
            .as_ref()
            .unwrap()
            .get("Nats-Msg-Id")
            .unwrap()
            .to_string();
        assert_eq!(event["id"], id);
        people.push(event["subject"].as_str().unwrap().to_owned());
    }
    // 50 were told before the first kill, and again before the second: the stream dropped them by their ids.
    assert_eq!(people.len(), PEOPLE);
    assert_eq!(people.iter().collect::<BTreeSet<_>>().len(), PEOPLE);
}
