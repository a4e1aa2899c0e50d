use std::sync::Arc;

use contracts::{
    ErrorKind,
    analytics::{
        CheckAnalytics, GeneratePrediction, GetActivePrediction, GetInsights, InsightKind,
        ListPredictionsChanged, Regularity,
    },
    events::{ChangedSince, Event, SCHEMA, Topic, Verb, WakeUp},
};

use super::*;

fn event(user_id: UserId, version: i64) -> Event {
    let wake_up = WakeUp {
        event_id: Ids.event_id(),
        user_id,
        version: Version::new(version),
        verb: Verb::Recorded,
        schema: SCHEMA,
    };
    let (request_id, trace) = (Ids.request_id("test"), Ids.trace());
    Event { topic: Topic::CycleChanged, wake_up, request_id, trace }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_rows_and_another_event() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    eventually("the consumer has subscribed", async || process.bus.is_healthy().await).await;
    for days in [28, 29, 28] {
        let version = owner.append(user(1), days);
        process.bus.publish(&event(user(1), version), 1).await.unwrap();
        process.assert_stored(&owner, user(1)).await;
    }
    // A duplicate and an old one change nothing, not even the outbox.
    process.bus.publish(&event(user(1), 3), 1).await.unwrap();
    process.bus.publish(&event(user(1), 1), 1).await.unwrap();
    let row = sqlx::query!("SELECT version, verb FROM outbox WHERE user_id = 1")
        .fetch_one(&process.pool)
        .await
        .unwrap();
    assert_eq!((row.version, row.verb.as_str()), (3, "derived"));
    eventually("the relay has carried it", async || {
        let left =
            sqlx::query_scalar!("SELECT count(*) FROM outbox WHERE version > published_version");
        left.fetch_one(&process.pool).await.unwrap() == Some(0)
    })
    .await;

    let request = ListPredictionsChanged(ChangedSince { since: None, after: None, limit: 10 });
    let changed = process.handle.ask(&call(), request).await.unwrap().users;
    assert_eq!(changed.len(), 1);
    let request = GetActivePrediction { user_id: user(1) };
    let active = process.handle.ask(&call(), request).await.unwrap();
    assert_eq!((active.version.get(), active.as_of_version.get()), (3, 3));
    assert_eq!(changed[0].version, active.version);
    let newest = process.predictions(user(1), Some(true)).await.predictions.remove(0);
    let said = active.active.unwrap();
    assert_eq!(said.prediction_id, newest.id);
    assert_eq!(said.predicted_start_date, newest.predicted_start_date);
    assert_eq!(said.anchor_cycle_id, owner.history(user(1)).cycles[2].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_logged_nothing_is_answered_so() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let nobody = user(404);
    let list = process.predictions(nobody, None).await;
    assert_eq!((list.total, list.predictions.len(), list.as_of_version.get()), (0, 0, 0));
    assert_eq!(process.analytics(nobody).await.total, 0);
    let generate = GeneratePrediction { user_id: nobody };
    let refusal = process.handle.ask(&call(), generate).await.err().unwrap();
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "insufficient-data"));
    let insights = GetInsights { user_id: nobody, min_version: None };
    let insights = process.handle.ask(&call(), insights).await.unwrap();
    assert_eq!(insights.statistics.cycle_regularity, Regularity::Unknown);
    assert_eq!(insights.insights[0].kind, InsightKind::Info);
    let active =
        process.handle.ask(&call(), GetActivePrediction { user_id: nobody }).await.unwrap();
    assert!(active.active.is_none() && active.version == Version::ZERO);
    let health = process.handle.ask(&call(), CheckAnalytics {}).await.unwrap();
    assert!(health.is_healthy());
    let subjects = sqlx::query_scalar!("SELECT count(*) FROM subject");
    assert_eq!(subjects.fetch_one(&process.pool).await.unwrap(), Some(0), "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn generating_needs_no_event() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for _ in 0..3 {
        let version = owner.append(whose, 28);
        let generate = GeneratePrediction { user_id: whose };
        let made = process.handle.ask(&call(), generate).await.unwrap();
        assert_eq!(made.as_of_version.get(), version);
        assert!(made.prediction.is_active);
        process.assert_stored(&owner, whose).await;
    }
    let inactive = process.predictions(whose, Some(false)).await;
    assert_eq!((inactive.total, inactive.predictions.len()), (2, 2));
    let page = PageRequest { limit: 1, offset: 1 };
    let second = ListPredictions { user_id: whose, active: None, min_version: None, page };
    let second = process.handle.ask(&call(), second).await.unwrap();
    assert_eq!((second.total, second.predictions.len()), (3, 1));
    assert!(second.predictions[0] == inactive.predictions[0]);

    let insights = GetInsights { user_id: whose, min_version: None };
    let insights = process.handle.ask(&call(), insights).await.unwrap();
    assert_eq!(insights.statistics.total_cycles_tracked, 3);
    assert_eq!(insights.statistics.average_cycle_length, Some(28.0));
    assert_eq!(insights.statistics.cycle_regularity, Regularity::VeryRegular);
    assert_eq!(insights.as_of_version.get(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_every_cycle_leaves_the_version_alone() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    owner.append(whose, 28);
    owner.append(whose, 28);
    process.wake(whose, 2).await.unwrap();
    owner.remove(whose, 1);
    process.wake(whose, 3).await.unwrap();
    process.assert_stored(&owner, whose).await;
    owner.remove(whose, 0);
    process.wake(whose, 4).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let list = process.predictions(whose, None).await;
    assert_eq!((list.total, list.as_of_version.get()), (0, 4));
    let active = process.handle.ask(&call(), GetActivePrediction { user_id: whose }).await.unwrap();
    assert!(active.active.is_none());
    assert_eq!(active.version.get(), 3, "each applied version announced itself once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_a_version_and_no_longer() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    let read = |version: i64, patience: Duration| {
        let call = Call::new(Ids.request_id("test"), Ids.trace(), patience);
        let min_version = Some(Version::new(version));
        let request = GetInsights { user_id: whose, min_version };
        let handle = process.handle.clone();
        async move { handle.ask(&call, request).await.unwrap().as_of_version.get() }
    };
    let version = owner.append(whose, 28);
    let (read_version, woken) = tokio::join!(read(version, PATIENCE), process.wake(whose, version));
    woken.unwrap();
    assert_eq!(read_version, version);
    // What never comes is waited for within the deadline, and what there is is answered.
    let begun = Instant::now();
    assert_eq!(read(9, Duration::from_millis(400)).await, version);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(250) && waited < Duration::from_secs(2), "{waited:?}");
}
