//! What docker-compose.yml starts, started outside containers: the same commands, environments and
//! secrets in the same order. Only what a container engine would give is local: host names, ports,
//! and where secrets are mounted.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::{
    compose_file::ComposeFile,
    dockerfile::image_environment,
    servers::{Nats, Postgres, Stopped, free_port},
    tools::{MadeSecrets, lunation, strings},
    wait,
};

const DOMAINS: [&str; 4] = ["users", "cycles", "analytics", "notifications"];

/// A profile of the file, running.
struct Running {
    // In the order in which they were started; stopped in the other.
    processes: Vec<Process>,
    _nats: Option<Nats>,
    _postgres: Postgres,
    _secrets: MadeSecrets,
}

struct Process {
    name: String,
    child: Stopped,
    port: u16,
    log: PathBuf,
}

/// What stands in for the engine.
struct Engine {
    file: ComposeFile,
    secrets: MadeSecrets,
    postgres: Postgres,
    nats: Option<Nats>,
}

impl Running {
    async fn start(profile: &str) -> Self {
        let secrets = MadeSecrets::new(&[]);
        let values = secrets.environment();
        let file = ComposeFile::load(|name| values[name].clone());
        let postgres = Postgres::start(&values["POSTGRES_PASSWORD"]).await;
        let mut engine = Engine { file, secrets, postgres, nats: None };
        let order: Vec<String> =
            engine.file.start_order(profile).into_iter().map(str::to_owned).collect();
        let mut processes = Vec::new();
        for name in order {
            let service = engine.file.service(&name).clone();
            if engine.file.is_ours(&name) {
                processes.extend(engine.run(&name, &service).await);
            } else if name == "nats" {
                engine.nats = Some(Nats::start(&service).await);
            } else {
                engine.postgres.prepare(&service);
            }
        }
        let Engine { secrets, postgres, nats, .. } = engine;
        Self { processes, _nats: nats, _postgres: postgres, _secrets: secrets }
    }

    /// The base URL of a service, as the host sees it.
    fn url(&self, name: &str) -> String {
        let process = self.processes.iter().find(|it| it.name == name);
        format!("http://127.0.0.1:{}", process.unwrap().port)
    }

    /// As `docker compose stop`, in the reverse order. Each has to end well.
    async fn stop(mut self) {
        while let Some(mut process) = self.processes.pop() {
            process.child.signal("TERM");
            let status = process.ended().await;
            assert_eq!(status.code(), Some(0), "{}: {}", process.name, process.output());
        }
    }
}

impl Engine {
    /// Runs a service to its end, or until its health check is content; then it is returned.
    async fn run(&self, name: &str, service: &Value) -> Option<Process> {
        let (port, admin_port) = (free_port(), free_port());
        let environment = self.environment(service, port, admin_port);
        let log = self.secrets.path(&format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = lunation()
            .args(strings(&service["command"]))
            .envs(&environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut process = Process { name: name.to_owned(), child: Stopped(child), port, log };
        let check = &service["healthcheck"];
        if check["disable"] == true && service["restart"] != "on-failure" {
            // It goes on, and nobody waits for it.
            return Some(process);
        }
        if check["disable"] == true {
            let status = process.ended().await;
            assert!(status.success(), "{name}: {status}\n{}", process.output());
            return None;
        }
        let words = strings(&check["test"]);
        let ["CMD", "/usr/local/bin/lunation", arguments @ ..] = &words[..] else {
            panic!("{name} is not asked by the program itself: {words:?}");
        };
        wait::until(&format!("{name} to be well"), || {
            let ended = process.child.0.try_wait().unwrap();
            assert!(ended.is_none(), "{name} ended: {ended:?}\n{}", process.output());
            let asked = lunation().args(arguments).envs(&environment).output().unwrap();
            async move { asked.status.success().then_some(()) }
        })
        .await;
        Some(process)
    }

    /// The image's variables and the service's, with what is local here.
    fn environment(&self, service: &Value, port: u16, admin_port: u16) -> BTreeMap<String, String> {
        let mut environment = image_environment();
        for (name, value) in service["environment"].as_object().unwrap() {
            environment.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        for (name, value) in &mut environment {
            match name.as_str() {
                "LUNATION_LISTEN" => *value = format!("127.0.0.1:{port}"),
                "LUNATION_ADMIN_LISTEN" => *value = format!("127.0.0.1:{admin_port}"),
                "LUNATION_AUTH_SIGNING_KEY_FILE"
                | "LUNATION_USERS_SEALING_KEY_FILE"
                | "LUNATION_CYCLES_SEALING_KEY_FILE"
                | "LUNATION_USERS_ERASURE_LEDGER_FILE" => {
                    *value = self.secrets.mounted(service, value);
                }
                "LUNATION_NATS_URL" => {
                    let port = self.nats.as_ref().expect("NATS was started before").port;
                    *value = value.replace("@nats:4222", &format!("@127.0.0.1:{port}"));
                }
                _ => {
                    let host = format!("@127.0.0.1:{}/", self.postgres.port);
                    for domain in DOMAINS {
                        *value = value.replace(&format!("@{domain}-db:5432/"), &host);
                    }
                }
            }
        }
        environment
    }
}

impl Process {
    async fn ended(&mut self) -> ExitStatus {
        wait::until(&format!("{} to end", self.name), || {
            let status = self.child.0.try_wait().unwrap();
            async move { status }
        })
        .await
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The first calls of the earlier system's walk-through ('API Documentation' of its README).
async fn walk_through(base: &str) -> String {
    let client = client();
    let register = json!({
        "email": "user@example.com", "username": "testuser", "password": "violin thunder orchard basalt",
        "first_name": "Jane", "last_name": "Doe",
    });
    let registered = client.post(format!("{base}/api/users/register")).json(&register).send();
    expect(registered.await.unwrap(), StatusCode::CREATED).await;
    let login = json!({ "email": "user@example.com", "password": "violin thunder orchard basalt" });
    let login = client.post(format!("{base}/api/users/login")).json(&login).send();
    let login = expect(login.await.unwrap(), StatusCode::OK).await;
    let token = login["token"].as_str().unwrap().to_owned();
    let cycle = json!({ "start_date": "2025-01-15", "end_date": "2025-01-20" });
    let logged = client.post(format!("{base}/api/cycles/cycles")).bearer_auth(&token).json(&cycle);
    let logged = expect(logged.send().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!(logged["cycle"]["period_length"], 6);
    let version = logged["version"].as_i64().unwrap();
    let insights = format!("{base}/api/analytics/insights?min_version={version}");
    wait::until("analytics to have heard of it", || async {
        let answer = client.get(&insights).bearer_auth(&token).send().await.unwrap();
        let insights: Value = expect(answer, StatusCode::OK).await;
        (insights["as_of_version"] == version).then_some(())
    })
    .await;
    let reminders = format!("{base}/api/notifications/notifications");
    wait::until("a reminder", || async {
        let answer = client.get(&reminders).bearer_auth(&token).send().await.unwrap();
        let reminders = expect(answer, StatusCode::OK).await;
        (reminders["count"] == 1).then_some(())
    })
    .await;
    token
}

fn client() -> Client {
    // The library wants one even for plain HTTP; another test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().build().unwrap()
}

async fn expect(answer: reqwest::Response, status: StatusCode) -> Value {
    let (found, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_of_one_process_works() {
    drop(client());
    let running = Running::start("single").await;
    walk_through(&running.url("lunation")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_of_split_processes_works() {
    drop(client());
    let running = Running::start("split").await;
    let token = walk_through(&running.url("gateway")).await;
    // The ports of the earlier services answer for their group.
    for (name, path) in [
        ("users", "/api/users/profile"),
        ("cycles", "/api/cycles/cycles"),
        ("analytics", "/api/analytics/predictions"),
        ("notifications", "/api/notifications/preferences"),
    ] {
        let url = format!("{}{path}", running.url(name));
        let answer = client().get(url).bearer_auth(&token).send().await.unwrap();
        expect(answer, StatusCode::OK).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_of_a_domain_is_at_home_in_its_database_alone() {
    let values = MadeSecrets::new(&[]).environment();
    let file = ComposeFile::load(|name| values[name].clone());
    let postgres = Postgres::start(&values["POSTGRES_PASSWORD"]).await;
    for domain in DOMAINS {
        postgres.prepare(file.service(&format!("{domain}-db")));
    }
    for domain in DOMAINS {
        let password = &values[&format!("{}_DATABASE_PASSWORD", domain.to_uppercase())];
        let ask = |database: &str, sql: &str| postgres.query(domain, password, database, sql);
        let superuser =
            "select rolsuper or rolcreaterole from pg_roles where rolname = current_user";
        assert_eq!(ask(domain, superuser), Ok("f".to_owned()));
        assert_eq!(ask(domain, "create table t (n int)").map(|_| ()), Ok(()));
        // The server's log hears nothing of what a statement is about, and the role cannot change that.
        let logged = "select current_setting('log_error_verbosity'), \
            current_setting('log_min_error_statement'), \
            current_setting('log_min_duration_statement'), current_setting('log_statement')";
        assert_eq!(ask(domain, logged), Ok("terse|panic|-1|none".to_owned()));
        assert!(ask(domain, "set log_statement = 'all'").is_err());
        for other in DOMAINS.into_iter().chain(["postgres"]).filter(|other| *other != domain) {
            let refused = ask(other, "select 1").unwrap_err();
            assert!(refused.contains("permission denied"), "{domain} in {other}: {refused}");
        }
        assert!(postgres.query(domain, "guess", domain, "select 1").is_err());
    }
}
