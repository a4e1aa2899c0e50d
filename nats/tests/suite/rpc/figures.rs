//! Services show themselves by the micro protocol.

use async_nats::{
    Client,
    service::{Info, PingResponse, Stats},
};
use contracts::{cycles::CyclesMailbox, wire::WireMailbox};
use futures::StreamExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use nats::rpc;
use serde::de::DeserializeOwned;

use super::support::{AT_ONCE, LONG, Replica, call, call_with, cycles, get_cycle, silent};
use crate::support::{NatsServer, PATIENCE, connection};

/// Asks everyone, and takes as many answers.
async fn ask_all<A: DeserializeOwned>(client: &Client, subject: &str, count: usize) -> Vec<A> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(subject.to_owned(), inbox, "".into()).await.unwrap();
    let answers = answers.take(count).collect::<Vec<_>>();
    let answers = tokio::time::timeout(PATIENCE, answers).await.expect("all answer in time");
    answers.iter().map(|answer| serde_json::from_slice(&answer.payload).unwrap()).collect()
}

#[tokio::test]
async fn replicas_say_who_they_are_and_what_they_did() {
    let server = NatsServer::start();
    let there = connection(&server.url()).await;
    let one = Replica::start(&there, cycles()).await;
    let _other = Replica::start(&connection(&server.url()).await, cycles()).await;
    let here = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    for _request in 0..20 {
        here.ask(&call(LONG), get_cycle()).await.map(|_cycle| ()).unwrap();
    }
    here.ask(&call_with(None, LONG), get_cycle()).await.map(|_cycle| ()).unwrap_err();

    let client = server.client().await;
    let pings: Vec<PingResponse> = ask_all(&client, "$SRV.PING", 2).await;
    assert!(pings.iter().all(|ping| ping.name == "lunation-cycles"));
    assert!(pings.iter().all(|ping| ping.version == env!("CARGO_PKG_VERSION")));
    assert!(pings.iter().all(|ping| ping.kind == "io.nats.micro.v1.ping_response"));
    assert_ne!(pings[0].id, pings[1].id);

    let subject = format!("$SRV.INFO.lunation-cycles.{}", pings[0].id);
    let infos: Vec<Info> = ask_all(&client, &subject, 1).await;
    let endpoint = |name: &str| infos[0].endpoints.iter().find(|it| it.name == name).unwrap();
    assert_eq!(infos[0].endpoints.len(), CyclesMailbox::OPS.len());
    assert_eq!(endpoint("get_cycle").subject, "rpc.cycles.v1.get_cycle");
    assert_eq!(endpoint("get_history").subject, "svc.cycles.v1.get_history");
    assert_eq!(endpoint("check").queue_group, "cycles");
    assert_eq!(endpoint("check").metadata["audience"], "open");

    let stats: Vec<Stats> = ask_all(&client, "$SRV.STATS.lunation-cycles", 2).await;
    let endpoints: Vec<_> = stats.iter().flat_map(|stats| &stats.endpoints).collect();
    let of_cycle = || endpoints.iter().filter(|it| it.subject == "rpc.cycles.v1.get_cycle");
    assert_eq!(of_cycle().map(|it| it.requests).sum::<usize>(), 21);
    assert_eq!(of_cycle().map(|it| it.errors).sum::<usize>(), 1);
    assert_eq!(endpoints.iter().map(|it| it.requests).sum::<usize>(), 21);
    let refused = of_cycle().find_map(|it| it.last_error.as_ref()).unwrap();
    assert_eq!((refused.code, refused.status.as_str()), (401, "unauthenticated"));
    assert!(of_cycle().any(|it| !it.average_processing_time.is_zero()));

    one.leave().await;
    let left: Vec<PingResponse> = ask_all(&client, "$SRV.PING.lunation-cycles", 1).await;
    assert_eq!(left.len(), 1);
}

/// Nextest gives each test a process, so the recorder is this test's own.
#[tokio::test]
async fn both_sides_count_by_group_operation_and_outcome() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let server = NatsServer::start();
    let there = connection(&server.url()).await;
    let here = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    // Nobody there; answered; without a token; never answered.
    here.ask(&call(LONG), get_cycle()).await.map(|_cycle| ()).unwrap_err();
    let answering = Replica::start(&there, cycles()).await;
    here.ask(&call(LONG), get_cycle()).await.map(|_cycle| ()).unwrap();
    here.ask(&call_with(None, LONG), get_cycle()).await.map(|_cycle| ()).unwrap_err();
    answering.leave().await;
    let (silent, _unanswered) = silent();
    let _silent = Replica::start(&there, silent).await;
    here.ask(&call(AT_ONCE), get_cycle()).await.map(|_cycle| ()).unwrap_err();

    let counted = |side: &str, outcome: &str| {
        let labels = format!(r#"group="cycles",op="get_cycle",outcome="{outcome}""#);
        let line = format!("lunation_rpc_{side}_requests_total{{{labels}}} 1\n");
        metrics.render().contains(&line)
    };
    for outcome in ["ok", "unauthenticated", "interrupted"] {
        assert!(counted("client", outcome), "{outcome}: {}", metrics.render());
    }
    // By now, or when the silent group's own deadline has passed.
    crate::support::until("the answers to be counted", async || {
        ["ok", "unauthenticated", "interrupted"].iter().all(|it| counted("server", it))
    })
    .await;
    assert!(counted("client", "unavailable"), "{}", metrics.render());
    let seconds = r#"lunation_rpc_client_duration_seconds_count{group="cycles",op="get_cycle"} 4"#;
    assert!(metrics.render().contains(seconds), "{}", metrics.render());
    assert!(!metrics.render().contains("request-1"), "no ids");
}
