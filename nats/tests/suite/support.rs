//! A stage for the tests: a bus, and for the broker a private nats-server.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use contracts::{
    UserId, Version,
    call::{RequestId, TraceContext},
    events::{Event, SCHEMA, Topic, Verb, WakeUp},
};
use nats::{
    Bus, Connection, Delivery, Durable, NatsOptions, PublishError, Published, Subscription,
};
use tempfile::TempDir;

use crate::signals;

/// More than anything here needs: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A bus and what carries it.
pub(crate) struct Stage {
    pub(crate) bus: Bus,
    pub(crate) server: Option<NatsServer>,
}

impl Stage {
    pub(crate) fn memory() -> Self {
        Self { bus: Bus::memory(&Durable::ALL), server: None }
    }

    pub(crate) async fn jetstream() -> Self {
        let server = NatsServer::start();
        let bus = connect(&server.url()).await;
        bus.provision().await.expect("streams and durables are made");
        Self { bus, server: Some(server) }
    }

    /// The stage of a test that is about the broker.
    pub(crate) async fn broker() -> (Bus, NatsServer) {
        let Self { bus, server } = Self::jetstream().await;
        (bus, server.expect("there is a server"))
    }
}

pub(crate) async fn connect(url: &str) -> Bus {
    Bus::jetstream(connection(url).await, 1)
}

pub(crate) async fn connection(url: &str) -> Connection {
    let options = options(url.to_owned());
    Connection::connect(options).await.expect("the server is there")
}

pub(crate) fn options(url: String) -> NatsOptions {
    NatsOptions { url, client_name: "test".to_owned(), inbox_prefix: None }
}

/// A nats-server of this test alone: free port, own store, killed on drop.
pub(crate) struct NatsServer {
    process: Child,
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl NatsServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with further arguments, such as `--user`.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let arguments: Vec<String> =
            arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = spawn(directory.path(), None, &arguments);
        let port = port_of(directory.path(), process.id());
        Self { process, directory, port, arguments }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server has ended");
    }

    /// SIGSTOP or SIGCONT: a broker that hangs, and one that wakes up again.
    pub(crate) fn signal(&self, name: &str) {
        signals::send(name, &self.process);
    }

    pub(crate) fn wipe(&self) {
        fs::remove_dir_all(self.directory.path().join("store")).expect("the store can be removed");
    }

    /// Starts again on the same port, after `kill`.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.directory.path(), Some(self.port), &self.arguments);
        let started = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "the server does not listen");
            std::thread::yield_now();
        }
    }

    /// A second client, which knows nothing of ours.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.expect("the server is there")
    }
}

/// Listens with `client`, from before this returns.
pub(crate) async fn listen(client: &async_nats::Client, subject: &str) -> async_nats::Subscriber {
    let subscriber = client.subscribe(subject.to_owned()).await.expect("the server is there");
    // The server answers in order, so it has heard of the subscription when this is answered.
    client.request("$JS.API.INFO", "".into()).await.expect("JetStream is enabled");
    subscriber
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have been killed by the test.
        if self.process.kill().is_ok() {
            self.process.wait().expect("the server has ended");
        }
    }
}

fn spawn(directory: &Path, port: Option<u16>, arguments: &[String]) -> Child {
    let debian = Path::new("/usr/sbin/nats-server");
    let program = if debian.exists() { debian } else { Path::new("nats-server") };
    Command::new(program)
        .args(["-a", "127.0.0.1", "-js"])
        .args(["-p", &port.map_or_else(|| "-1".to_owned(), |port| port.to_string())])
        .arg("-sd")
        .arg(directory.join("store"))
        .arg("--ports_file_dir")
        .arg(directory)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is installed")
}

/// Waits for the file in which the server says which port it took.
pub(crate) fn port_of(directory: &Path, process: u32) -> u16 {
    let path = directory.join(format!("nats-server_{process}.ports"));
    let started = std::time::Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "the server does not start");
        let ports = fs::read(&path).ok().and_then(|text| {
            let ports: serde_json::Value = serde_json::from_slice(&text).ok()?;
            ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        });
        match ports {
            Some(port) => return port,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// An event of `topic` for `user`, with an id of its own per user and version.
pub(crate) fn event(topic: Topic, user: i64, version: i64) -> Event {
    let id = u128::from(user.unsigned_abs()) << 64 | u128::from(version.unsigned_abs());
    Event {
        topic,
        wake_up: WakeUp {
            event_id: uuid::Uuid::from_u128(id),
            user_id: UserId::new(user),
            version: Version::new(version),
            verb: Verb::Recorded,
            schema: SCHEMA,
        },
        request_id: RequestId::parse("request-1").expect("a sane id"),
        trace: TraceContext::from_ids(id, 1),
    }
}

/// What the relay does: publishes until the event is out. Says how often it was refused, and with
/// which delay the last time.
pub(crate) async fn relay(bus: &Bus, event: &Event) -> (Published, Vec<PublishError>) {
    let mut refusals = Vec::new();
    let publishing = async {
        for attempt in 1.. {
            match bus.publish(event, attempt).await {
                Ok(published) => return published,
                Err(error) => refusals.push(error),
            }
            tokio::task::yield_now().await;
        }
        unreachable!("the attempts never end")
    };
    let published = tokio::time::timeout(PATIENCE, publishing).await;
    (published.expect("the event is published in time"), refusals)
}

pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .expect("a delivery comes in time")
        .expect("the bus is open")
}

/// The event of a delivery that must have one.
pub(crate) fn event_of(delivery: &Delivery) -> Event {
    delivery.content().clone().expect("the event can be decoded")
}

/// Asks `look` again and again until it says yes.
pub(crate) async fn until<Looking>(what: &str, look: impl Fn() -> Looking)
where
    Looking: Future<Output = bool>,
{
    let yes = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, yes)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
