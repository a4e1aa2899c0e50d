//! The system under test, in one of its shapes.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    NatsServer,
    client::{Client, Person},
    process::{Process, Start},
    template,
};

/// How the system runs. Split processes join this list when they exist; test bodies do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One process, the bus in memory.
    Memory,
    /// One process, JetStream on a private nats-server.
    JetStream,
}

/// What a test may want otherwise than by default.
#[derive(Clone, Default)]
pub(crate) struct Options {
    /// `LUNATION_FAULTS` of the first start.
    pub(crate) faults: Option<String>,
    /// More variables, of every start.
    pub(crate) environment: Vec<(String, String)>,
    /// More flags, of every start.
    pub(crate) args: Vec<String>,
}

/// A running system.
pub(crate) struct App {
    // Dropped in this order: the process before what it stands on.
    process: Option<Process>,
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
        app.process = Some(Process::start(&app.data_dir(), &first).await);
        app
    }

    /// Everything but the process itself.
    pub(crate) async fn prepare(shape: Shape, options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("lunation-").tempdir().unwrap();
        open_for_unprivileged_postgres(directory.path());
        template::copy_into(&directory.path().join("data"));
        let nats = match shape {
            Shape::Memory => None,
            Shape::JetStream => Some(NatsServer::start().await),
        };
        let mut start = Start { args: options.args, ..Start::default() };
        start.environment.extend(options.environment);
        if let Some(nats) = &nats {
            start.args.extend(["--nats".to_owned(), nats.url()]);
        }
        Self { process: None, nats, directory, start, shape, restarts: 0 }
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The process that runs.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the system runs")
    }

    /// The base URL of the API.
    pub(crate) fn url(&self) -> String {
        let process = self.process.as_ref().expect("the system runs");
        format!("http://{}", process.running.listen)
    }

    /// The base URL of health and metrics.
    pub(crate) fn admin_url(&self) -> String {
        let process = self.process.as_ref().expect("the system runs");
        format!("http://{}", process.running.admin_listen.expect("there is an admin listener"))
    }

    /// A client of the API.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// Somebody who never registered, with a token signed by the instance's own key: for loads in
    /// which registering would cost more than what is measured.
    pub(crate) fn minted(&self, id: i64) -> Person {
        let pem = std::fs::read(self.data_dir().join("signing-key.pem")).unwrap();
        Person { client: self.client(), id, token: mint(&pem, id) }
    }

    /// Everything that the processes have printed so far.
    pub(crate) fn output(&self) -> String {
        self.process.as_ref().expect("the system runs").output()
    }

    /// SIGKILL to the service. Its Postgres is left to itself, as in life.
    pub(crate) fn kill(&mut self) {
        self.process().kill();
    }

    /// Starts the service again over the same data, without faults.
    pub(crate) async fn start_again(&mut self) {
        self.process = None;
        self.restarts += 1;
        self.process = Some(Process::start(&self.data_dir(), &self.start).await);
    }

    /// A superuser's connection URL to one of the embedded databases.
    pub(crate) fn database_url(&self, database: &str) -> String {
        let socket = self.process.as_ref().map(Process::socket_dir).unwrap_or_default();
        format!("postgres://postgres@localhost/{database}?host={socket}")
    }

    /// Stops cleanly and fails the test if the process does not end with 0.
    pub(crate) async fn finish(mut self) {
        let process = self.process.as_mut().expect("the system runs");
        process.signal("TERM");
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0), "{}", process.output());
    }
}

/// As root, Postgres runs as another user, who has to get into the directory.
fn open_for_unprivileged_postgres(directory: &Path) {
    use std::{fs, os::unix::fs::PermissionsExt};
    fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).unwrap();
}

/// A token such as the users group issues.
fn mint(pem: &[u8], id: i64) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk, jwk::ThumbprintHash};
    let _installed_already = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
    let key = EncodingKey::from_ed_pem(pem).unwrap();
    let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(public.thumbprint(ThumbprintHash::SHA256).unwrap());
    let now = jsonwebtoken::get_current_timestamp();
    let claims = serde_json::json!({
        "iss": "lunation", "aud": "lunation", "sub": id.to_string(),
        "iat": now, "nbf": now, "exp": now + 3600, "jti": format!("minted-{id}"),
    });
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}
