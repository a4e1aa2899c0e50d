//! Who gets into which database, and who does not.

use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::*;

/// Answers of Postgres: no rule admits you, not this password, not your business.
const NO_RULE: &str = "28000";
const WRONG_PASSWORD: &str = "28P01";
const NOT_PERMITTED: &str = "42501";

const SUPERUSER: &str = "postgres";

fn roles() -> impl Iterator<Item = &'static str> {
    [SUPERUSER].into_iter().chain(Domain::ALL.map(Domain::name))
}

fn databases() -> impl Iterator<Item = &'static str> {
    ["postgres", "template1"].into_iter().chain(Domain::ALL.map(Domain::name))
}

/// The password of a role, as the file has it.
fn password(data_dir: &DataDir, role: &str) -> String {
    let text = fs::read_to_string(passwords_of(data_dir)).unwrap();
    let start = format!("*:*:*:{role}:");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
}

fn passwords_of(data_dir: &DataDir) -> PathBuf {
    data_dir.path().join("pgpass")
}

/// Connects, or says with which SQLSTATE the server refuses.
async fn enter(
    embedded: &Embedded,
    role: &str,
    database: &str,
    password: &str,
) -> Result<PgConnection, String> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&embedded.cluster.socket_directory)
        .port(cluster::PORT)
        .username(role)
        .password(password)
        .database(database)
        .ssl_mode(PgSslMode::Disable);
    PgConnection::connect_with(&options).await.map_err(|error| sqlstate(&error))
}

fn sqlstate(error: &sqlx::Error) -> String {
    let database_error = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    database_error.code().unwrap().into_owned()
}

#[tokio::test]
async fn each_role_reaches_its_own_database_alone() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    // What a domain may do by itself: its database is its own to give away.
    let mut owner = connect(&embedded, Domain::Users).await;
    run(&mut owner, "GRANT ALL ON DATABASE users TO cycles, PUBLIC").await;
    for role in roles() {
        let password = password(&data_dir, role);
        for database in databases() {
            let entered = enter(&embedded, role, database, &password).await;
            let refused = entered.err();
            let expected = (role != SUPERUSER && role != database).then(|| NO_RULE.to_owned());
            assert_eq!(refused, expected, "{role} in {database}");
        }
    }
    embedded.stop().await;
    // Behind the rules there are the privileges, which a start restores.
    let embedded = start(&data_dir).await;
    let mut superuser = superuser(&embedded).await;
    let open = "SELECT count(*)::text FROM pg_database \
                WHERE has_database_privilege('public', oid, 'CONNECT')";
    assert_eq!(sql::text(&mut superuser, open).await.unwrap(), "0");
    let may = "SELECT string_agg(datname, ',') FROM pg_database \
               WHERE has_database_privilege('analytics', oid, 'CONNECT')";
    assert_eq!(sql::text(&mut superuser, may).await.unwrap(), "analytics");
    embedded.stop().await;
}

#[tokio::test]
async fn nobody_enters_without_their_own_password() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    for role in roles() {
        let database = if role == SUPERUSER { "postgres" } else { role };
        enter(&embedded, role, database, &password(&data_dir, role)).await.unwrap();
        let others = roles().filter(|other| *other != role);
        let wrong = others.map(|other| password(&data_dir, other)).chain([String::new()]);
        for password in wrong {
            let refused = enter(&embedded, role, database, &password).await.err();
            assert_eq!(refused.as_deref(), Some(WRONG_PASSWORD), "{role}");
        }
    }
    let mut superuser = superuser(&embedded).await;
    run(&mut superuser, "CREATE ROLE guest LOGIN SUPERUSER PASSWORD 'guest'").await;
    for database in databases() {
        let refused = enter(&embedded, "guest", database, "guest").await.err();
        assert_eq!(refused.as_deref(), Some(NO_RULE), "{database}");
    }
    embedded.stop().await;
}

#[tokio::test]
async fn no_domain_can_become_another_or_make_a_role_or_a_database() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    for domain in Domain::ALL {
        let mut connection = connect(&embedded, domain).await;
        let mut attempts = vec![
            "CREATE ROLE friend LOGIN".to_owned(),
            "CREATE DATABASE elsewhere".to_owned(),
            format!("GRANT postgres TO {domain}"),
            format!("ALTER ROLE {domain} SUPERUSER"),
            "ALTER SYSTEM SET fsync = off".to_owned(),
            "SELECT rolpassword FROM pg_authid".to_owned(),
            "SELECT pg_read_file('pg_hba.conf')".to_owned(),
            "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        ];
        for other in roles().filter(|other| *other != domain.name()) {
            attempts.push(format!("SET ROLE {other}"));
            attempts.push(format!("SET SESSION AUTHORIZATION {other}"));
            attempts.push(format!("ALTER ROLE {other} PASSWORD 'mine'"));
            attempts.push(format!("ALTER DATABASE {other} OWNER TO {domain}"));
        }
        for attempt in attempts {
            let refused = sql::run(&mut connection, attempt.clone()).await.unwrap_err();
            assert_eq!(sqlstate(&refused), NOT_PERMITTED, "{domain}: {attempt}");
        }
    }
    embedded.stop().await;
}

#[tokio::test]
async fn a_cluster_that_trusted_everybody_is_converted() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let mut owner = connect(&embedded, Domain::Users).await;
    run(&mut owner, "CREATE TABLE kept AS SELECT 11 AS value").await;
    // Back to what an earlier version left: no passwords, and rules that ask for none.
    let mut superuser = superuser(&embedded).await;
    for role in roles() {
        run(&mut superuser, &format!("ALTER ROLE {role} PASSWORD NULL")).await;
    }
    embedded.stop().await;
    let rules = data_dir.path().join("postgres/data/pg_hba.conf");
    fs::write(&rules, "local all all trust\n").unwrap();
    fs::remove_file(passwords_of(&data_dir)).unwrap();

    let embedded = start(&data_dir).await;
    assert!(!fs::read_to_string(&rules).unwrap().contains("trust"));
    let refused = enter(&embedded, "users", "users", "").await.err();
    assert_eq!(refused.as_deref(), Some(WRONG_PASSWORD));
    let mut owner = connect(&embedded, Domain::Users).await;
    assert_eq!(sql::text(&mut owner, "SELECT value::text FROM kept").await.unwrap(), "11");
    embedded.stop().await;
}

#[tokio::test]
async fn passwords_survive_a_restart_and_a_kill_of_everything() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let url = embedded.database_url(Domain::Cycles);
    embedded.stop().await;
    let embedded = start(&data_dir).await;
    connect_to(&url).await.ping().await.unwrap();
    let mut superuser = superuser(&embedded).await;
    let processes = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity";
    let processes = sql::text(&mut superuser, processes).await.unwrap();
    let postmaster = embedded.postmaster().await;
    for pid in [postmaster].into_iter().chain(processes.split(' ').map(to_pid)) {
        let _gone_with_the_postmaster = kill_process(pid, Signal::KILL);
    }
    wait_until("the postmaster is gone", || test_kill_process(postmaster).is_err());
    drop(embedded);
    let embedded = start(&data_dir).await;
    connect_to(&url).await.ping().await.unwrap();
    assert_eq!(embedded.database_url(Domain::Cycles).expose_secret(), url.expose_secret());
    let seen_from_outside = running_database_url(data_dir.path(), Domain::Cycles).unwrap();
    assert_eq!(seen_from_outside.expose_secret(), url.expose_secret());
    embedded.stop().await;
}

fn to_pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn passwords_that_were_lost_or_may_be_known_are_made_anew() {
    let place = place();
    let data_dir = open(&place);
    let file = passwords_of(&data_dir);
    let first = {
        start(&data_dir).await.stop().await;
        fs::read(&file).unwrap()
    };
    let owner = rustix::process::geteuid().as_raw();
    let spoilt: [(&str, &dyn Fn()); 4] = [
        ("lost", &|| fs::remove_file(&file).unwrap()),
        ("open", &|| fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap()),
        ("cut off", &|| fs::write(&file, &fs::read(&file).unwrap()[..100]).unwrap()),
        ("somebody's", &|| {
            if is_root() {
                std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
            } else {
                fs::write(&file, "").unwrap();
            }
        }),
    ];
    for (how, spoil) in spoilt {
        let former = password(&data_dir, "users");
        spoil();
        let embedded = start(&data_dir).await;
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o600, owner), "{how}");
        assert_ne!(password(&data_dir, "users"), former, "{how}");
        let refused = enter(&embedded, "users", "users", &former).await.err();
        assert_eq!(refused.as_deref(), Some(WRONG_PASSWORD), "{how}");
        connect(&embedded, Domain::Users).await.ping().await.unwrap();
        embedded.stop().await;
    }
    // A file of a backup, older than the cluster's: the file decides.
    fs::write(&file, first).unwrap();
    let embedded = start(&data_dir).await;
    let mut superuser = superuser(&embedded).await;
    superuser.ping().await.unwrap();
    embedded.stop().await;
}

#[tokio::test]
async fn no_password_is_in_any_other_file() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let _refused = enter(&embedded, "users", "cycles", &password(&data_dir, "users")).await.err();
    // A password that the server had been told would have its 4096 rounds.
    let ours = "SELECT count(*)::text FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$1:%'";
    assert_eq!(sql::text(&mut superuser(&embedded).await, ours).await.unwrap(), "5");
    embedded.stop().await;
    let secrets: Vec<String> = roles().map(|role| password(&data_dir, role)).collect();
    let mut searched = 0;
    let mut directories = vec![data_dir.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else if entry.path() != passwords_of(&data_dir) {
                let content =
                    String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                let found = secrets.iter().find(|secret| content.contains(secret.as_str()));
                assert!(found.is_none(), "in {}", entry.path().display());
                searched += 1;
            }
        }
    }
    assert!(searched > 1_000, "only {searched} files were searched");
}
