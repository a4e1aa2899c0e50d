//! What becomes of wake-ups that fail, that find a dependency away, and that are too new.

#![cfg(test)]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::{
    Call, Refusal, UserId, Version,
    events::{Event, SCHEMA, Topic, Verb, WakeUp},
};
use futures::future::BoxFuture;
use lunation_actor_runtime::{
    clock::Ids,
    consume::{self, Consumer},
    supervisor::{Message, Plan, Supervisor},
};
use nats::{Bus, Connection, Durable, NatsOptions, PublishError};
use ractor::{Actor, ActorRef};
use tokio::time::{self, Instant};

/// More than any test needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers each user's wake-ups as the test says, and then with success. Remembers who was served.
#[derive(Default)]
struct Scripted {
    answers: Mutex<HashMap<UserId, Vec<Refusal>>>,
    served: Mutex<Vec<UserId>>,
}

impl Scripted {
    /// The next answers for this user, the first one first.
    fn will_answer(&self, user: UserId, answers: impl IntoIterator<Item = Refusal>) {
        let mut answers: Vec<Refusal> = answers.into_iter().collect();
        answers.reverse();
        self.answers.lock().unwrap().insert(user, answers);
    }

    fn served(&self) -> Vec<UserId> {
        self.served.lock().unwrap().clone()
    }
}

impl Consumer for Scripted {
    fn on_wake_up(&self, _call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>> {
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.get_mut(&event.user_id).and_then(Vec::pop);
        if answer.is_none() {
            self.served.lock().unwrap().push(event.user_id);
        }
        Box::pin(async move { answer.map_or(Ok(()), Err) })
    }
}

async fn start(bus: &Bus, consumer: &Arc<Scripted>) -> ActorRef<Message> {
    let consumer: Arc<dyn Consumer> = Arc::<Scripted>::clone(consumer);
    let child = consume::child(bus.clone(), Durable::Analytics, consumer);
    let plan = Plan::group("group", vec![child]);
    let (root, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
    root
}

fn event(user: UserId, schema: u16) -> Event {
    Event {
        topic: Topic::CycleChanged,
        wake_up: WakeUp {
            event_id: Ids.event_id(),
            user_id: user,
            version: Version::new(1),
            verb: Verb::Recorded,
            schema,
        },
        request_id: Ids.request_id("test"),
        trace: Ids.trace(),
    }
}

fn failure() -> Refusal {
    Refusal::internal()
}

fn away() -> Refusal {
    Refusal::unavailable()
}

#[tokio::test(start_paused = true)]
async fn an_outage_uses_up_no_tries() {
    let (bus, consumer) = (Bus::memory(&[Durable::Analytics]), Arc::new(Scripted::default()));
    let root = start(&bus, &consumer).await;
    let user = UserId::new(1);
    let outage = (0..12).map(|_| away());
    consumer.will_answer(user, outage.chain((0..4).map(|_| failure())));
    let delays = relay(&bus, user).await;
    assert_eq!(delays.len(), 16);
    assert_eq!(bus.dead_letters(10).await.unwrap(), []);
    assert_eq!(consumer.served(), [user]);
    // The first failure after the outage is a first failure: the next try is soon.
    assert!(delays[12] < Duration::from_secs(1), "{delays:?}");
    let longest = delays.iter().max().unwrap();
    assert!(*longest <= Duration::from_secs(24), "{delays:?}");
    root.stop(None);
}

#[tokio::test(start_paused = true)]
async fn five_failures_make_a_dead_letter_and_an_outage_between_them_makes_no_sixth_try() {
    let (bus, consumer) = (Bus::memory(&[Durable::Analytics]), Arc::new(Scripted::default()));
    let root = start(&bus, &consumer).await;
    let user = UserId::new(1);
    let two = || (0..2).map(|_| failure());
    let outage = (0..3).map(|_| away());
    consumer.will_answer(user, two().chain(outage).chain(two()).chain([failure()]));
    let delays = relay(&bus, user).await;
    assert_eq!(delays.len(), 7, "the eighth delivery is the fifth failure, and the last");
    let letters = bus.dead_letters(10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.user_id, letter.class.as_str()), (Some(user), "failed"));
    assert_eq!(consumer.served(), []);
    // It is forgotten: the user's next wake-up has all its tries again.
    consumer.will_answer(user, (0..4).map(|_| failure()));
    assert_eq!(relay(&bus, user).await.len(), 4);
    assert_eq!(consumer.served(), [user]);
    root.stop(None);
}

#[tokio::test(start_paused = true)]
async fn one_user_whose_work_never_ends_in_time_holds_nobody_up() {
    let (bus, consumer) = (Bus::memory(&[Durable::Analytics]), Arc::new(Scripted::default()));
    let root = start(&bus, &consumer).await;
    let hopeless = UserId::new(1);
    consumer.will_answer(hopeless, (0..1_000).map(|_| away()));
    let offering = {
        let bus = bus.clone();
        lunation_actor_runtime::tasks::spawn(async move { relay(&bus, hopeless).await })
    };
    let begun = Instant::now();
    for number in 2..200 {
        relay(&bus, UserId::new(number)).await;
    }
    // One pause now and then, and none of those that an outage brings.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(consumer.served().len(), 198);
    // Once nothing else is to do, it is tried less and less often.
    time::sleep(Duration::from_mins(10)).await;
    let left = consumer.answers.lock().unwrap()[&hopeless].len();
    assert!(1_000 - left < 60, "{left}");
    offering.abort();
    root.stop(None);
}

/// Offers an event of the user until it is taken, each time when the consumer wants it again, as
/// the relay does. Says for how long it was put off each time.
async fn relay(bus: &Bus, user: UserId) -> Vec<Duration> {
    let event = event(user, SCHEMA);
    let mut delays = Vec::new();
    for attempt in 1.. {
        match bus.publish(&event, attempt).await {
            Ok(_published) => break,
            // The consumer is about to subscribe.
            Err(PublishError::NotSubscribed(_)) => tokio::task::yield_now().await,
            Err(error) => {
                let delay = error.retry_after().unwrap();
                delays.push(delay);
                time::sleep(delay).await;
            }
        }
    }
    delays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_newer_schema_leave_room_for_those_of_this_one() {
    let server = NatsServer::start();
    let options =
        NatsOptions { url: server.url().await, client_name: "test".to_owned(), inbox_prefix: None };
    let bus = Bus::jetstream(Connection::connect(options).await.unwrap(), 1);
    bus.provision().await.unwrap();
    // More than the 256 that one durable may have unsettled.
    let newer: Vec<_> = (1..=300).map(|user| event(UserId::new(user), SCHEMA + 1)).collect();
    for published in
        futures::future::join_all(newer.iter().map(|event| bus.publish(event, 1))).await
    {
        published.unwrap();
    }
    let known = UserId::new(1_000);
    bus.publish(&event(known, SCHEMA), 1).await.unwrap();
    let consumer = Arc::new(Scripted::default());
    let root = start(&bus, &consumer).await;
    let came_through = async {
        while consumer.served() != [known] {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(PATIENCE, came_through).await.unwrap();
    assert_eq!(bus.dead_letters(10).await.unwrap(), [], "none of them is a dead letter");
    root.stop_and_wait(None, None).await.unwrap();
}

/// A nats-server of this test alone, killed when it is dropped.
struct NatsServer {
    process: std::process::Child,
    directory: tempfile::TempDir,
}

impl NatsServer {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let debian = Path::new("/usr/sbin/nats-server");
        let program = if debian.exists() { debian } else { Path::new("nats-server") };
        let process = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"])
            .arg(directory.path().join("store"))
            .arg("--ports_file_dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    /// Where it listens, once it does.
    async fn url(&self) -> String {
        let name = format!("nats-server_{}.ports", self.process.id());
        let path: PathBuf = self.directory.path().join(name);
        let listening = async {
            loop {
                let ports = fs::read(&path).ok().and_then(|text| {
                    let ports: serde_json::Value = serde_json::from_slice(&text).ok()?;
                    ports["nats"][0].as_str().map(str::to_owned)
                });
                if let Some(url) = ports {
                    return url;
                }
                tokio::task::yield_now().await;
            }
        };
        time::timeout(PATIENCE, listening).await.unwrap()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
