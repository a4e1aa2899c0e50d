use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use secrecy::ExposeSecret;

use super::*;

struct Case {
    file: &'static str,
    environment: &'static [(&'static str, &'static str)],
    flags: &'static [(&'static str, &'static str)],
}

/// 0x80 to 0x9f.
const SEALING_KEY: &str = "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=";

const NOTHING: Case = Case { file: "", environment: &[], flags: &[] };

impl Case {
    fn load(&self) -> Result<Config, Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = (!self.file.is_empty()).then(|| {
            let path = directory.path().join("lunation.toml");
            fs::write(&path, self.file).unwrap();
            path
        });
        let mut environment: std::collections::BTreeMap<_, _> = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        environment.entry("HOME".to_owned()).or_insert_with(|| "/home/ada".to_owned());
        let flags = self.flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Config::load(&Sources { file, environment, flags, root: false })
    }

    fn problems(&self) -> Vec<String> {
        self.load().err().map(|problems| problems.0).unwrap_or_default()
    }
}

#[test]
fn the_defaults_run() {
    let config = NOTHING.load().unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.admin_listen.unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!(config.groups.to_string(), "api,users,cycles,analytics,notifications");
    assert_eq!(config.profile, Profile::Development);
    assert_eq!(config.auth.access_token_ttl.as_secs(), 600);
    assert_eq!(config.limits.in_flight_per_user, 8);
    assert!(config.databases.urls.is_empty() && config.bus.nats_url.is_none());
    assert!(config.warnings.is_empty());
}

#[test]
fn later_layers_win() {
    let file =
        "listen = \"127.0.0.1:1001\"\n[limits]\nin_flight_per_user = 3\n[log]\nformat = \"json\"";
    let environment =
        &[("LUNATION_LISTEN", "127.0.0.1:1002"), ("LUNATION_LIMITS_IN_FLIGHT_PER_USER", "4")];
    let flags = &[("listen", "localhost:1003")];
    for (case, listen, per_user) in [
        (Case { file, ..NOTHING }, 1001, 3),
        (Case { file, environment, flags: &[] }, 1002, 4),
        (Case { file, environment, flags }, 1003, 4),
    ] {
        let config = case.load().unwrap();
        assert_eq!(config.http.listen.port(), listen);
        assert_eq!(config.limits.in_flight_per_user, per_user);
        assert_eq!(config.log.format, LogFormat::Json);
    }
}

#[test]
fn well_known_variables_count_and_the_long_name_wins() {
    let environment = &[
        ("USERS_DATABASE_URL", "postgres://u:secret@db/users"),
        ("LUNATION_USERS_DATABASE_URL", "postgres://v:secret@db/users"),
        ("CYCLES_DATABASE_URL", "postgres://c@db/cycles"),
        ("NATS_URL", ""),
    ];
    let config = Case { environment, ..NOTHING }.load().unwrap();
    let url = |domain| config.databases.urls.get(&domain).map(ExposeSecret::expose_secret);
    assert_eq!(url(Domain::Users), Some("postgres://v:secret@db/users"));
    assert_eq!(url(Domain::Cycles), Some("postgres://c@db/cycles"));
    assert_eq!(url(Domain::Analytics), None);
    assert!(config.bus.nats_url.is_none(), "an empty variable is unset");
}

type Pairs = [(&'static str, &'static str)];

#[test]
fn every_problem_with_a_file_of_one_group_names_its_key_and_origin() {
    each_is_told(&[
        (
            "",
            &[("LUNATION_CYCLES_SEALING_KEY_FILE", "/absent")],
            "cycles.sealing_key_file (LUNATION",
        ),
        ("", &[("LUNATION_CYCLES_SEALING_KEYS", "change-me")], "key 1 is not 32 bytes"),
        ("", &[("LUNATION_USERS_SEALING_KEYS", "c2hvcnQ=")], "users.sealing_keys ("),
        (
            "",
            &[
                ("LUNATION_CYCLES_SEALING_KEYS", SEALING_KEY),
                ("LUNATION_CYCLES_SEALING_KEY_COMMAND", "cat /secret"),
            ],
            "cycles.sealing_key_command (LUNATION_CYCLES_SEALING_KEY_COMMAND): is one of two sources",
        ),
        (
            "",
            &[
                ("LUNATION_GROUPS", "users"),
                ("NATS_URL", "nats://broker"),
                ("LUNATION_CYCLES_SEALING_KEYS", SEALING_KEY),
            ],
            "belongs to the cycles group alone",
        ),
        (
            "",
            &[("LUNATION_USERS_ERASURE_LEDGER_FILE", "/absent/erasures.jsonl")],
            "users.erasure_ledger_file (LUNATION_USERS_ERASURE_LEDGER_FILE): must be a file in a",
        ),
        (
            "",
            &[
                ("LUNATION_GROUPS", "cycles"),
                ("NATS_URL", "nats://broker"),
                ("LUNATION_USERS_ERASURE_LEDGER_FILE", "/tmp/erasures.jsonl"),
            ],
            "users.erasure_ledger_file (LUNATION_USERS_ERASURE_LEDGER_FILE): belongs to the users",
        ),
    ]);
}

#[test]
fn every_problem_names_its_key_and_origin() {
    each_is_told(&[
        ("listn = 1", &[], "listn ("),
        ("in_flight_per_user = 1", &[], "did you mean limits.in_flight_per_user?"),
        ("[auth]\nfoo = 1", &[], "auth.foo ("),
        ("listen = \"here\"", &[], "listen ("),
        ("", &[("LUNATION_LISTEN", "8080")], "listen (LUNATION_LISTEN)"),
        ("", &[("LUNATION_PROFILE", "prod")], "profile (LUNATION_PROFILE)"),
        ("", &[("LUNATION_ARGON2_MEMORY_KIB", "1024")], "argon2.memory_kib"),
        ("", &[("LUNATION_ARGON2_ITERATIONS", "1")], "argon2.iterations"),
        ("", &[("LUNATION_ARGON2_PARALLELISM", "-1")], "argon2.parallelism"),
        ("", &[("LUNATION_LIMITS_IN_FLIGHT_PER_GROUP", "x")], "limits.in_flight_per_group"),
        ("", &[("LUNATION_LIMITS_IN_FLIGHT_PER_USER", "300")], "limits.in_flight_per_user"),
        ("", &[("LUNATION_ANTI_ENTROPY_SECONDS", "0")], "anti_entropy_seconds"),
        ("", &[("LUNATION_ANALYTICS_LIVE_ACTORS_MAX", "0")], "analytics.live_actors_max"),
        ("", &[("LUNATION_ANALYTICS_IDLE_SECONDS", "0")], "analytics.idle_seconds"),
        ("", &[("LUNATION_REQUEST_TIMEOUT_MS", "1")], "request_timeout_ms"),
        ("", &[("LUNATION_DATABASE_POOL_MAX", "50")], "database_pool_max"),
        ("", &[("LUNATION_ALLOWED_ORIGINS", "*")], "allowed_origins"),
        ("", &[("LUNATION_LOG_FORMAT", "xml")], "log.format"),
        ("", &[("LUNATION_LOG_FILTER", "a=b=c")], "log.filter"),
        ("", &[("USERS_DATABASE_URL", "mysql://x")], "users.database_url (USERS_DATABASE_URL)"),
        ("", &[("NATS_URL", "http://x")], "nats_url (NATS_URL)"),
        ("[auth]\nissuer = \"\"", &[], "auth.issuer ("),
        ("[auth]\naudience = \" \"", &[], "auth.audience ("),
        ("", &[("LUNATION_AUTH_ACCESS_TOKEN_TTL_SECONDS", "1")], "auth.access_token_ttl_seconds"),
        ("", &[("LUNATION_AUTH_SIGNING_KEY_FILE", "/absent")], "auth.signing_key_file"),
        (
            "",
            &[
                ("LUNATION_GROUPS", "cycles"),
                ("NATS_URL", "nats://broker"),
                ("LUNATION_AUTH_SIGNING_KEY_FILE", "/absent"),
            ],
            "belongs to the users group alone",
        ),
        ("", &[("LUNATION_GROUPS", "all,moon")], "groups (LUNATION_GROUPS)"),
        ("", &[("LUNATION_GROUPS", "users,analytics")], "leaves out cycles, which users,analytics"),
        ("", &[("LUNATION_GROUPS", "notifications")], "leaves out users, analytics, which"),
        ("", &[("LUNATION_GROUPS", "api")], "name the NATS server that they share"),
    ]);
}

/// Each file with its environment has one problem, which is told so.
fn each_is_told(cases: &[(&'static str, &'static Pairs, &str)]) {
    for (file, environment, expected) in cases {
        let problems = Case { file, environment, flags: &[] }.problems();
        assert_eq!(problems.len(), 1, "{file} {environment:?}: {problems:?}");
        assert!(problems[0].contains(expected), "{problems:?} does not contain {expected}");
    }
}

#[test]
fn an_access_token_lives_ten_minutes_at_most() {
    const TTL: &str = "LUNATION_AUTH_ACCESS_TOKEN_TTL_SECONDS";
    for (environment, taken) in [
        (&[(TTL, "59")], false),
        (&[(TTL, "60")], true),
        (&[(TTL, "600")], true),
        (&[(TTL, "601")], false),
    ] {
        let case = Case { file: "", environment, flags: &[] };
        assert_eq!(case.problems().is_empty(), taken, "{environment:?}");
    }
}

#[test]
fn a_process_listens_where_its_groups_did_in_the_earlier_system() {
    for (groups, port, admin_port) in [
        ("all", 8080, 9090),
        ("api", 8080, 9090),
        ("notifications,api", 8080, 9090),
        ("users", 5001, 9091),
        ("cycles", 5002, 9092),
        ("analytics", 5003, 9093),
        ("notifications", 5004, 9094),
        ("analytics,cycles", 5002, 9092),
    ] {
        let nats = ("NATS_URL".to_owned(), "nats://h".to_owned());
        let load = |flags: &[(&'static str, &str)]| {
            let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let home = ("HOME".to_owned(), "/home/ada".to_owned());
            let environment = [home, nats.clone()].into_iter().collect();
            Config::load(&Sources { environment, flags, ..Sources::default() }).unwrap()
        };
        let config = load(&[("groups", groups)]);
        assert_eq!(config.http.listen.port(), port, "{groups}");
        assert_eq!(config.http.admin_listen.unwrap().port(), admin_port, "{groups}");
        let config = load(&[("groups", groups), ("listen", "0.0.0.0:1"), ("admin_listen", "none")]);
        assert_eq!(config.http.listen.to_string(), "0.0.0.0:1", "{groups}");
        assert_eq!(config.http.admin_listen, None, "{groups}");
    }
}

#[test]
fn a_process_reaches_elsewhere_what_its_groups_ask() {
    for (groups, expected) in [
        ("all", &[][..]),
        ("api", &Domain::ALL[..]),
        ("api,users,cycles", &[Domain::Analytics, Domain::Notifications]),
        ("users", &[]),
        ("cycles", &[Domain::Users]),
        ("users,cycles", &[]),
        ("analytics", &[Domain::Users, Domain::Cycles]),
        ("notifications", &[Domain::Users, Domain::Analytics]),
        ("analytics,notifications", &[Domain::Users, Domain::Cycles]),
    ] {
        let environment =
            [("HOME", "/home/ada"), ("NATS_URL", "nats://h"), ("LUNATION_GROUPS", groups)];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = Config::load(&Sources { environment, ..Sources::default() }).unwrap();
        let remote: Vec<Domain> = config.groups.remote_domains().collect();
        assert_eq!(remote, expected, "{groups}");
    }
}

#[test]
fn all_problems_are_listed_at_once() {
    let environment =
        &[("LUNATION_LISTEN", "x"), ("LUNATION_ARGON2_ITERATIONS", "0"), ("NATS_URL", "a://b")];
    assert_eq!(Case { file: "moon = 1", environment, flags: &[] }.problems().len(), 4);
}

#[test]
fn a_broken_file_is_named_and_not_quoted() {
    let problems = Case { file: "a = \"secret", ..NOTHING }.problems();
    assert!(
        problems[0].contains("lunation.toml") && problems[0].contains("line 1"),
        "{problems:?}"
    );
    assert!(!problems[0].contains("secret"), "{problems:?}");
}

#[test]
fn production_needs_a_key_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let load = |key: Option<PathBuf>, mode: u32| {
        let mut environment = std::collections::BTreeMap::from([
            ("LUNATION_PROFILE".to_owned(), "production".to_owned()),
            ("LUNATION_DATA_DIR".to_owned(), directory.path().display().to_string()),
            ("LUNATION_USERS_SEALING_KEYS".to_owned(), SEALING_KEY.to_owned()),
            ("LUNATION_CYCLES_SEALING_KEYS".to_owned(), SEALING_KEY.to_owned()),
        ]);
        if let Some(key) = key {
            fs::write(&key, "key").unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            environment
                .insert("LUNATION_AUTH_SIGNING_KEY_FILE".to_owned(), key.display().to_string());
        }
        Config::load(&Sources { file: None, environment, flags: Vec::new(), root: false })
            .err()
            .map(|problems| problems.to_string())
    };
    let key = directory.path().join("key.pem");
    assert!(load(None, 0).unwrap().contains("must be set in the production profile"));
    assert!(load(Some(key.clone()), 0o644).unwrap().contains("chmod 600"));
    assert_eq!(load(Some(key.clone()), 0o640), None);
    assert_eq!(load(Some(key), 0o600), None);
    let generated = directory.path().join("signing-key.pem");
    assert!(load(Some(generated), 0o600).unwrap().contains("production needs its own"));
}

#[test]
fn production_needs_sealing_keys_that_lie_elsewhere() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let load = |name: &str, value: &str| {
        let data_dir = directory.path().display().to_string();
        let environment = [
            ("LUNATION_PROFILE", "production"),
            ("NATS_URL", "nats://broker"),
            ("LUNATION_GROUPS", "cycles"),
            ("LUNATION_DATA_DIR", &data_dir),
            (name, value),
        ];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Config::load(&Sources { file: None, environment, flags: Vec::new(), root: false })
            .err()
            .map(|problems| problems.to_string())
    };
    assert!(load("X", "x").unwrap().contains("cycles.sealing_key_file (default): must be set"));
    assert_eq!(load("LUNATION_CYCLES_SEALING_KEYS", SEALING_KEY), None);
    // It is run when the service starts, and not to look at the configuration.
    assert_eq!(load("LUNATION_CYCLES_SEALING_KEY_COMMAND", "exit 1"), None);
    let file = |place: &tempfile::TempDir, mode: u32| {
        let path = place.path().join("sealing-keys");
        fs::write(&path, SEALING_KEY).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        load("LUNATION_CYCLES_SEALING_KEY_FILE", path.to_str().unwrap())
    };
    assert_eq!(file(&elsewhere, 0o600), None);
    assert!(file(&elsewhere, 0o644).unwrap().contains("chmod 600"));
    assert!(file(&directory, 0o600).unwrap().contains("lies in the data directory"));
}

#[test]
fn a_password_in_an_open_file_is_refused_in_production_and_warned_of_elsewhere() {
    let keys = format!("[cycles]\nsealing_keys = \"{SEALING_KEY}\"");
    let warnings = Case { file: keys.leak(), ..NOTHING }.load().unwrap().warnings;
    assert!(warnings[0].contains("holds a password"), "{warnings:?}");
    let file = "nats_url = \"nats://a:b@h:4222\"";
    let warnings = Case { file, ..NOTHING }.load().unwrap().warnings;
    assert!(warnings[0].contains("holds a password"), "{warnings:?}");
    let problems = Case { file, environment: &[("LUNATION_PROFILE", "production")], flags: &[] };
    assert!(problems.problems().iter().any(|problem| problem.contains("holds a password")));
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let config = Case { environment: &[("LUNATION_LISTN", "x")], ..NOTHING }.load().unwrap();
    assert_eq!(config.warnings, ["the environment variable LUNATION_LISTN means nothing"]);
}

#[test]
fn the_data_directory_is_where_the_platform_keeps_data() {
    let load = |root: bool, pairs: &[(&str, &str)]| {
        let environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::load(&Sources { environment, root, ..Sources::default() })
            .map(|config| config.storage.data_dir.display().to_string())
            .map_err(|problems| problems.to_string())
    };
    assert_eq!(load(true, &[("HOME", "/root")]).unwrap(), "/var/lib/lunation");
    assert!(load(false, &[]).unwrap_err().contains("--data-dir"));
    if cfg!(target_os = "linux") {
        assert_eq!(load(false, &[("HOME", "/home/a")]).unwrap(), "/home/a/.local/share/lunation");
        assert_eq!(load(false, &[("HOME", "/a"), ("XDG_DATA_HOME", "/x")]).unwrap(), "/x/lunation");
    }
}

#[test]
fn the_readme_has_the_table_of_keys() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    assert!(
        fs::read_to_string(readme).unwrap().contains(&keys::markdown()),
        "put the output of `lunation config print --reference` into the README"
    );
}

#[test]
fn print_shows_every_key_with_its_origin_and_no_secret() {
    let environment = &[
        ("USERS_DATABASE_URL", "postgres://u:sesame@db/users"),
        ("NATS_URL", "nats://sesame@h:4222"),
        ("LUNATION_CYCLES_SEALING_KEYS", SEALING_KEY),
    ];
    let config = Case { environment, ..NOTHING }.load().unwrap();
    let mut out = Vec::new();
    print::settings(&config, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(!out.contains("sesame") && !out.contains(SEALING_KEY), "{out}");
    assert!(out.contains("postgres://u:***@db/users") && out.contains("# USERS_DATABASE_URL"));
    for key in keys::all() {
        assert!(out.contains(key.name), "{} is missing", key.name);
        assert!(keys::markdown().contains(&key.variable()));
    }
}
