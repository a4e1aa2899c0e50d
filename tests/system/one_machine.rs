//! `serve --split`: one command, a process per group, and nothing left behind.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    Client,
    process::{self, Process, Start},
    signals, template, wait,
};

/// The private key of RFC 8037, appendix A.1, as PKCS #8: everybody knows it.
const KEY_OF_RFC_8037: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// What `running.json` says of the processes.
#[derive(Deserialize)]
struct Together {
    listen: SocketAddr,
    nats_url: String,
    nats_pid: u32,
    processes: Vec<Member>,
}

#[derive(Clone, Deserialize)]
struct Member {
    name: String,
    pid: u32,
    listen: SocketAddr,
}

/// An instance that `--split` has started.
struct Instance {
    // Dropped before its directory.
    process: Process,
    directory: TempDir,
}

impl Instance {
    async fn start(args: &[&str]) -> Self {
        Self::start_with(|_data_dir| split(args)).await
    }

    /// Starts it as `how` says, which may put something beside the data directory first.
    async fn start_with(how: impl FnOnce(&Path) -> Start) -> Self {
        let directory = tempfile::Builder::new().prefix("lunation-").tempdir().unwrap();
        open_for_unprivileged_postgres(directory.path());
        let data_dir = directory.path().join("data");
        template::copy_into(&data_dir);
        let process = Process::start(&data_dir, &how(&data_dir)).await;
        Self { process, directory }
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn client(&self) -> Client {
        Client::new(format!("http://{}", self.process.running.listen))
    }

    fn together(&self) -> Together {
        let running = fs::read(self.data_dir().join("running.json")).unwrap();
        serde_json::from_slice(&running).unwrap()
    }

    fn member(&self, name: &str) -> Member {
        let member = self.together().processes.into_iter().find(|member| member.name == name);
        member.unwrap_or_else(|| panic!("there is a process {name}"))
    }
}

fn split(args: &[&str]) -> Start {
    let mut start = Start::default();
    start.args.push("--split".to_owned());
    start.args.extend(args.iter().map(|&arg| arg.to_owned()));
    start
}

/// As root, Postgres runs as another user, who has to get into the directory.
fn open_for_unprivileged_postgres(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a process runs: one that has ended and was not waited for does not.
fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z')
}

async fn gone(what: &str, pid: u32) {
    wait::until(&format!("{what} to be gone"), || async move { (!lives(pid)).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_runs_every_group_in_a_process_of_its_own() {
    let mut instance = Instance::start(&["--replicas", "analytics=2"]).await;
    let together = instance.together();
    let names: Vec<&str> = together.processes.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for name in ["users", "cycles", "analytics-1", "analytics-2", "notifications", "api"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let health = instance.client().get("/health").await.expect(StatusCode::OK);
    assert_eq!(health["status"], "healthy");
    let person = instance.client().somebody().await;
    let mut version = 0;
    for start in ["2025-01-01", "2025-01-29", "2025-02-26"] {
        version = person.log_cycle(start, None).await.1;
    }
    person.active_at(version, 2).await;
    let own = person.at(Client::new(format!("http://{}", instance.member("cycles").listen)));
    assert_eq!(own.get("/api/cycles/cycles").await.expect(StatusCode::OK)["count"], 3);

    // The log names the process of every line, and is JSON as a whole but for the broker's.
    let output = instance.process.output();
    for name in names {
        assert!(output.contains(&format!("{{\"process\":\"{name}\",")), "no line of {name}");
    }

    instance.process.signal("INT");
    assert_eq!(instance.process.ended().await.code(), Some(0), "{}", instance.process.output());
    for member in &together.processes {
        assert!(!lives(member.pid), "{} outlived its parent", member.name);
    }
    assert!(!lives(together.nats_pid));
    assert!(!instance.data_dir().join("running.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dies_is_started_again_and_what_is_killed_leaves_nothing() {
    let mut instance = Instance::start(&[]).await;
    let person = instance.client().somebody().await;
    person.log_cycle("2025-01-01", None).await;
    let broker = instance.together().nats_pid;
    for name in ["cycles", "api"] {
        let before = instance.member(name);
        signals::send_to("KILL", before.pid);
        wait::until(&format!("{name} to be started again"), || async {
            (instance.member(name).pid != before.pid).then_some(())
        })
        .await;
    }
    // The kernel gave the gateway another port, and who looks for the instance finds it.
    let listen = instance.together().listen;
    assert_eq!(listen, instance.member("api").listen);
    let person = person.at(Client::new(format!("http://{listen}")));
    signals::send_to("KILL", broker);
    gone("the broker", broker).await;
    wait::until("the broker to be started again", || async {
        let now = instance.together().nats_pid;
        (now != broker && lives(now)).then_some(())
    })
    .await;
    let version = wait::until_within(Duration::from_mins(1), "a cycle to be logged", || async {
        let body = json!({"start_date": "2025-01-29"});
        let answer = person.post("/api/cycles/cycles", &body).await;
        // What was in doubt may have happened.
        let there = [StatusCode::CREATED, StatusCode::CONFLICT].contains(&answer.status);
        there.then_some(2)
    })
    .await;
    person.prediction_at(version).await;

    let together = instance.together();
    instance.process.kill();
    for member in &together.processes {
        gone(&member.name, member.pid).await;
    }
    gone("the broker", together.nats_pid).await;
    // And the next start finds everything.
    let data_dir = instance.data_dir();
    instance.process = Process::start(&data_dir, &split(&[])).await;
    let person = person.at(instance.client());
    assert_eq!(person.get("/api/cycles/cycles").await.expect(StatusCode::OK)["count"], 2);
    instance.process.signal("TERM");
    assert_eq!(instance.process.ended().await.code(), Some(0), "{}", instance.process.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_gets_its_own_secrets_and_no_other() {
    // What is given to all of them, by the file and by the environment, reaches whose it is.
    let instance = Instance::start_with(|data_dir| {
        let (file, key) = (data_dir.with_extension("toml"), data_dir.with_extension("pem"));
        let private = fs::Permissions::from_mode(0o600);
        fs::write(&key, KEY_OF_RFC_8037).unwrap();
        fs::set_permissions(&key, private).unwrap();
        fs::write(&file, "split = true\nreplicas = [\"analytics=1\"]\n").unwrap();
        let mut start = Start::default();
        start.args.extend(["--config".to_owned(), file.to_str().unwrap().to_owned()]);
        let key = key.to_str().unwrap().to_owned();
        start.environment.insert("LUNATION_AUTH_SIGNING_KEY_FILE".to_owned(), key);
        start
    })
    .await;
    let together = instance.together();
    assert_eq!(together.processes.len(), 5);
    assert!(!together.nats_url.contains('@'), "{}", together.nats_url);
    let configuration = instance.data_dir().join("nats/server.conf");
    let operator = instance.data_dir().join("nats/operator.url");
    let elsewhere = instance.directory.path().join("elsewhere");
    template::copy_into(&elsewhere);
    for (command, complaint) in [
        (&["doctor"][..], "operator is not for a process with cycles; use cycles"),
        (
            &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "none"],
            "operator is not for a process with cycles; use cycles",
        ),
        (&["provision"], "operator is not for this; use provisioner"),
    ] {
        let mut with_anothers = process::binary();
        with_anothers.args(command).env("LUNATION_GROUPS", "cycles");
        with_anothers.env("LUNATION_DATA_DIR", &elsewhere);
        with_anothers.env("NATS_URL", fs::read_to_string(&operator).unwrap().trim());
        let refused = with_anothers.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{command:?}");
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(complaint), "{command:?}: {said}");
    }
    for file in [configuration, operator] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
    for member in &together.processes {
        let of = |what: &str| fs::read(format!("/proc/{}/{what}", member.pid)).unwrap();
        let arguments = String::from_utf8(of("cmdline")).unwrap();
        assert!(!arguments.contains("://"), "{}: {arguments}", member.name);
        let environment = String::from_utf8_lossy(&of("environ")).into_owned();
        let names: Vec<&str> = environment
            .split('\0')
            .filter_map(|variable| variable.split_once('='))
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, _)| name)
            .collect();
        for domain in ["users", "cycles", "analytics", "notifications"] {
            let variable = format!("LUNATION_{}_DATABASE_URL", domain.to_uppercase());
            let has = names.contains(&variable.as_str());
            assert_eq!(has, member.name == domain, "{variable} of {}", member.name);
        }
        let has_key = names.contains(&"LUNATION_AUTH_SIGNING_KEY_FILE");
        assert_eq!(has_key, member.name == "users", "the signing key of {}", member.name);
        for domain in ["users", "cycles"] {
            let variable = format!("LUNATION_{}_SEALING_KEY_FILE", domain.to_uppercase());
            let has = names.contains(&variable.as_str());
            assert_eq!(has, member.name == domain, "{variable} of {}", member.name);
        }
        let credential = if member.name == "api" { "gateway" } else { &member.name };
        let own = format!("LUNATION_NATS_URL=nats://{credential}:");
        assert!(environment.split('\0').any(|variable| variable.starts_with(&own)));
        assert_eq!(environment.matches("nats://").count(), 1, "one credential");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_is_said_and_all_is_stopped() {
    let instance = Instance::start(&[]).await;
    let data_dir = instance.data_dir();
    let mut second = process::binary();
    second.args(["serve", "--split", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let second = second.arg("--data-dir").arg(&data_dir).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    let holder = format!("in use by another lunation (process {})", instance.process.running.pid);
    assert!(said.contains(&holder), "{said}");

    let taken = instance.process.running.listen.to_string();
    let elsewhere = tempfile::Builder::new().prefix("lunation-").tempdir().unwrap();
    open_for_unprivileged_postgres(elsewhere.path());
    let other_dir = elsewhere.path().join("data");
    template::copy_into(&other_dir);
    let args = ["--split", "--listen", &taken, "--admin-listen", "none"].map(str::to_owned);
    let start = Start { args: args.to_vec(), ..Start::default() };
    let mut refused = Process::spawn_plain(&other_dir, &start);
    assert_eq!(refused.ended().await.code(), Some(1));
    let said = refused.output();
    assert!(said.contains("is in use by another program"), "{said}");

    for (args, complaint) in [
        (&["--split", "--groups", "users"][..], "runs all groups"),
        (&["--split", "--nats", "nats://127.0.0.1:1"], "starts a NATS server of its own"),
        (&["--replicas", "analytics=2"], "means something only with split"),
        (&["--split", "--replicas", "analytics=0"], "no group and number from 1 to 8"),
        (&["--split", "--replicas", "cycles=8"], "lower database_pool_max"),
        (&["--split", "--replicas", "everything=2"], "no group and number from 1 to 8"),
    ] {
        let output = process::binary().arg("serve").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(complaint), "{args:?}: {said}");
    }
}
