//! The system under test, in one of its shapes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::future::join_all;
use reqwest::StatusCode;
use tempfile::TempDir;

use super::{
    NatsServer, canaries,
    client::{Client, Person},
    postgres::{self, Postgres},
    process::{self, Process, Start},
    template,
};

/// How the system runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One process, the bus in memory.
    Memory,
    /// One process, JetStream on a private nats-server.
    JetStream,
    /// A process per group, with JetStream and Postgres between them.
    Split,
}

/// The name of the one process that hosts everything.
const ALL: &str = "all";
/// The name of the gateway's process.
const GATEWAY: &str = "api";
/// The directory that holds the databases, in the data directory.
const CLUSTER: &str = "postgres";
/// The groups with a database.
pub(crate) const DOMAINS: [&str; 4] = ["users", "cycles", "analytics", "notifications"];

impl Shape {
    /// The processes, the one that clients talk to first.
    fn processes(self) -> &'static [&'static str] {
        match self {
            Self::Memory | Self::JetStream => &[ALL],
            Self::Split => &[GATEWAY, "users", "cycles", "analytics", "notifications"],
        }
    }
}

/// What a test may want otherwise than by default.
#[derive(Clone, Default)]
pub(crate) struct Options {
    /// Another binary than the one under test.
    pub(crate) binary: Option<PathBuf>,
    /// `LUNATION_FAULTS` of the first start.
    pub(crate) faults: Option<String>,
    /// More variables, of every start.
    pub(crate) environment: Vec<(String, String)>,
    /// More flags, of every start.
    pub(crate) args: Vec<String>,
}

/// A running system.
pub(crate) struct App {
    // Dropped in this order: the processes before what they stand on.
    processes: BTreeMap<&'static str, Process>,
    postgres: Option<Postgres>,
    pub(crate) nats: Option<NatsServer>,
    directory: TempDir,
    start: Start,
    pub(crate) shape: Shape,
    /// How often it was started again.
    pub(crate) restarts: usize,
}

impl App {
    /// Starts the system with defaults.
    pub(crate) async fn start(shape: Shape) -> Self {
        Self::start_with(shape, Options::default()).await
    }

    /// Starts the system with options.
    pub(crate) async fn start_with(shape: Shape, options: Options) -> Self {
        let mut app = Self::prepare(shape, options.clone()).await;
        let mut first = app.start.clone();
        if let Some(faults) = options.faults {
            first.environment.insert("LUNATION_FAULTS".to_owned(), faults);
        }
        app.start_all(&first).await;
        app
    }

    /// Everything but the processes themselves.
    pub(crate) async fn prepare(shape: Shape, options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("lunation-").tempdir().unwrap();
        open_for_unprivileged_postgres(directory.path());
        let data_dir = directory.path().join("data");
        let binary = options.binary.clone().unwrap_or_else(process::path);
        template::copy_of(&binary, &data_dir);
        let (nats, postgres) = match shape {
            Shape::Memory => (None, None),
            Shape::JetStream => (Some(NatsServer::start().await), None),
            Shape::Split => {
                (Some(NatsServer::start().await), Some(Postgres::start(&data_dir).await))
            }
        };
        let mut start = Start { binary: options.binary, args: options.args, ..Start::default() };
        start.environment.extend(options.environment);
        if let Some(nats) = &nats {
            start.args.extend(["--nats".to_owned(), nats.url()]);
        }
        let processes = BTreeMap::new();
        Self { processes, postgres, nats, directory, start, shape, restarts: 0 }
    }

    /// The data directory: of the one process, or in the split shape that of the users group.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The process that clients talk to.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.group(self.shape.processes()[0])
    }

    /// The process of a group, in the split shape.
    pub(crate) fn group(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(name).expect("the process runs")
    }

    fn front(&self) -> &Process {
        self.processes.get(self.shape.processes()[0]).expect("the system runs")
    }

    /// The base URL of the API.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.front().running.listen)
    }

    /// The base URL of health and metrics.
    pub(crate) fn admin_url(&self) -> String {
        admin_url_of(self.front())
    }

    /// The process ids of the service, without what it stands on.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.values().map(|process| process.running.pid).collect()
    }

    /// A client of the API.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// A client of a group's own port, in the split shape.
    pub(crate) fn client_of(&self, group: &str) -> Client {
        Client::new(format!("http://{}", self.processes[group].running.listen))
    }

    /// The base URL of health and metrics of a group's process, in the split shape.
    pub(crate) fn admin_url_of(&self, group: &str) -> String {
        admin_url_of(&self.processes[group])
    }

    /// Somebody who never registered, with a token signed by the instance's own key: for loads in
    /// which registering would cost more than what is measured.
    pub(crate) fn minted(&self, id: i64) -> Person {
        let now = jsonwebtoken::get_current_timestamp();
        let token = self.signed(&serde_json::json!({
            "iss": "lunation", "aud": "lunation", "sub": id.to_string(),
            "iat": now, "nbf": now, "exp": now + 3600, "jti": format!("minted-{id}"),
            "sid": format!("00000000-0000-4000-8000-{id:012x}"), "scope": contracts::Scopes::ALL,
        }));
        Person { client: self.client(), id, token, refresh_token: String::new() }
    }

    /// A token of these claims, such as the users group issues.
    pub(crate) fn signed(&self, claims: &serde_json::Value) -> String {
        use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk, jwk::ThumbprintHash};
        let _installed_already =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let pem = std::fs::read(self.data_dir().join("signing-key.pem")).unwrap();
        let key = EncodingKey::from_ed_pem(&pem).unwrap();
        let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(public.thumbprint(ThumbprintHash::SHA256).unwrap());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    /// Everything that the processes have printed so far.
    pub(crate) fn output(&self) -> String {
        self.processes.values().map(Process::output).collect()
    }

    /// SIGKILL to every process. An embedded Postgres is left to itself, as in life.
    pub(crate) fn kill(&mut self) {
        self.processes.values_mut().for_each(Process::kill);
    }

    /// Starts everything again over the same data, without faults.
    pub(crate) async fn start_again(&mut self) {
        self.processes.clear();
        self.restarts += 1;
        let start = self.start.clone();
        self.start_all(&start).await;
    }

    /// Starts the one process again over the same data, with faults. Says whether it lived until
    /// it listened.
    pub(crate) async fn start_again_with(&mut self, faults: &str) -> bool {
        self.processes.clear();
        self.restarts += 1;
        let mut start = self.start.clone();
        start.environment.insert("LUNATION_FAULTS".to_owned(), faults.to_owned());
        let started = Process::try_start(&self.data_dir(), &start).await;
        started.map(|process| self.processes.insert(ALL, process)).is_ok()
    }

    /// SIGKILL to the process of one group, in the split shape.
    pub(crate) fn kill_group(&mut self, name: &'static str) {
        self.group(name).kill();
    }

    /// Starts the process of one group again.
    pub(crate) async fn start_group_again(&mut self, name: &'static str) {
        self.processes.remove(name);
        let process = self.start_one(name, &self.start).await;
        self.processes.insert(name, process);
    }

    /// Starts the process of one group again, with faults.
    pub(crate) async fn start_group_again_with(&mut self, name: &'static str, faults: &str) {
        self.processes.remove(name);
        let mut start = self.start.clone();
        start.environment.insert("LUNATION_FAULTS".to_owned(), faults.to_owned());
        let process = self.start_one(name, &start).await;
        self.processes.insert(name, process);
    }

    /// Lets go of the process of a group that has ended.
    pub(crate) fn forget_group(&mut self, name: &str) {
        self.processes.remove(name);
    }

    /// Starts a second process of a group, in the split shape; it is called `name`.
    pub(crate) async fn start_replica(&mut self, group: &str, name: &'static str) {
        let process = self.start_in(group, name, &self.start).await;
        self.processes.insert(name, process);
    }

    /// The base URLs of all processes of a group, in the split shape.
    pub(crate) fn urls_of(&self, group: &str) -> Vec<String> {
        let of_group = self.processes.iter().filter(|(name, _)| group_of(name) == group);
        of_group.map(|(_, process)| format!("http://{}", process.running.listen)).collect()
    }

    /// The database server, in the split shape.
    pub(crate) fn postgres(&mut self) -> &mut Postgres {
        self.postgres.as_mut().expect("there is a server of its own")
    }

    async fn start_all(&mut self, start: &Start) {
        let names = self.shape.processes();
        let started = join_all(names.iter().map(|name| self.start_one(name, start))).await;
        self.processes = names.iter().copied().zip(started).collect();
    }

    async fn start_one(&self, name: &str, start: &Start) -> Process {
        // The users group has the signing key, which lies where one process had it.
        let directory = if name == ALL || name == "users" { "data" } else { name };
        self.start_in(group_of(name), directory, start).await
    }

    /// Starts a process with its own place to announce itself in.
    async fn start_in(&self, group: &str, directory: &str, start: &Start) -> Process {
        let mut start = start.clone();
        if let Some(postgres) = &self.postgres {
            start.args.extend(["--groups".to_owned(), group.to_owned()]);
            if DOMAINS.contains(&group) {
                let variable = format!("{}_DATABASE_URL", group.to_uppercase());
                start.environment.insert(variable, postgres.url(group, group));
            }
        }
        let data_dir = self.directory.path().join(directory);
        std::fs::create_dir_all(&data_dir).unwrap();
        if group == "users" && data_dir != self.data_dir() {
            // All of the group sign with the same key.
            let key = self.data_dir().join("signing-key.pem").display().to_string();
            start.environment.insert("LUNATION_AUTH_SIGNING_KEY_FILE".to_owned(), key);
        }
        if ["users", "cycles"].contains(&group) {
            // They open what is sealed with the same keys, too.
            let first = if group == "users" { "data" } else { group };
            let first = self.directory.path().join(first);
            if data_dir != first {
                let keys = first.join(format!("sealing-keys-{group}")).display().to_string();
                let variable = format!("LUNATION_{}_SEALING_KEY_FILE", group.to_uppercase());
                start.environment.insert(variable, keys);
            }
        }
        Process::start(&data_dir, &start).await
    }

    /// A superuser's connection URL to one of the databases.
    pub(crate) fn database_url(&self, database: &str) -> String {
        if let Some(postgres) = &self.postgres {
            return postgres.url("postgres", database);
        }
        let socket = self.processes.get(ALL).map(Process::socket_dir).unwrap_or_default();
        let passwords = self.database_passwords();
        let (_, password) = passwords.iter().find(|(role, _)| role == "postgres").unwrap();
        format!("postgres://postgres:{password}@localhost/{database}?host={socket}")
    }

    /// The roles of the databases with their passwords, from the file of the instance.
    pub(crate) fn database_passwords(&self) -> Vec<(String, String)> {
        postgres::passwords(&self.data_dir())
    }

    /// Stops cleanly, and fails the test if a process does not end with 0, or if anything that people
    /// typed in is found outside of the databases.
    pub(crate) async fn finish(mut self) {
        let mut found = self.in_metrics().await;
        for process in self.processes.values() {
            process.signal("TERM");
        }
        for (name, process) in &mut self.processes {
            let status = process.ended().await;
            assert_eq!(status.code(), Some(0), "{name}: {}", process.output());
        }
        let mut places = vec![self.directory.path()];
        if let Some(nats) = &mut self.nats {
            nats.stop();
            places.extend(nats.store().exists().then(|| nats.store()));
        }
        found.extend(canaries::in_files(&places, CLUSTER));
        assert!(found.is_empty(), "outside of the databases there is {found:#?}");
    }

    /// What the metrics of the processes hold that people typed in.
    async fn in_metrics(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, process) in &mut self.processes {
            if !process.lives() || process.running.admin_listen.is_none() {
                continue;
            }
            let metrics = Client::new(admin_url_of(process)).get("/metrics").await;
            let metrics = metrics.of_text(StatusCode::OK);
            found.extend(canaries::in_text(&metrics).map(|it| format!("metrics of {name}: {it}")));
        }
        found
    }
}

/// What a process hosts, by its name: `analytics-2` is the second one of analytics.
fn group_of(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

fn admin_url_of(process: &Process) -> String {
    format!("http://{}", process.running.admin_listen.expect("there is an admin listener"))
}

/// As root, Postgres runs as another user, who has to get into the directory.
fn open_for_unprivileged_postgres(directory: &Path) {
    use std::{fs, os::unix::fs::PermissionsExt};
    fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).unwrap();
}
