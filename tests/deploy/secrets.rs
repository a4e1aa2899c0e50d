//! What `scripts/make-env` makes.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use jsonwebtoken::EncodingKey;

use crate::tools::{MadeSecrets, lunation, text};

const SIGNING_KEY: &str = ".secrets/signing/signing-key.pem";
const USERS_KEYS: &str = ".secrets/users-sealing/keys";
const CYCLES_KEYS: &str = ".secrets/cycles-sealing/keys";

#[test]
fn the_secrets_are_strong_private_and_all_different() {
    let made = MadeSecrets::new(&[]);
    let environment = made.environment();
    let mut seen = BTreeSet::new();
    for (name, value) in environment.iter().filter(|(name, _)| name.ends_with("_PASSWORD")) {
        assert_eq!(value.len(), 41, "{name}");
        // NATS would read a number; a URL would have to escape anything else.
        assert!(
            value.starts_with('p') && value.chars().all(|c| c.is_ascii_alphanumeric()),
            "{name}"
        );
        assert!(seen.insert(value.clone()), "{name} is that of another");
    }
    let other = MadeSecrets::new(&[]).environment();
    assert!(other.values().all(|value| !seen.contains(value)), "they are the same every time");
    for path in [".env", SIGNING_KEY, USERS_KEYS, CYCLES_KEYS, ".secrets", ".erasures"] {
        let bits = fs::metadata(made.path(path)).unwrap().permissions().mode();
        assert_eq!(bits & 0o077, 0, "{path}: {bits:o}");
    }
}

#[test]
fn the_keys_are_such_as_the_product_takes() {
    let made = MadeSecrets::new(&[]);
    let key = made.path(SIGNING_KEY);
    EncodingKey::from_ed_pem(&fs::read(&key).unwrap()).unwrap();
    let mut check = lunation();
    check
        .args(["config", "check"])
        .env("LUNATION_PROFILE", "production")
        .env("LUNATION_DATA_DIR", "/var/lib/lunation")
        .env("LUNATION_AUTH_SIGNING_KEY_FILE", &key)
        .env("LUNATION_USERS_SEALING_KEY_FILE", made.path(USERS_KEYS))
        .env("LUNATION_CYCLES_SEALING_KEY_FILE", made.path(CYCLES_KEYS));
    assert_eq!(crate::tools::run(&mut check), "ok\n");
}

#[test]
fn what_exists_is_kept_and_what_is_missing_is_added() {
    let made = MadeSecrets::new(&[]);
    let keys =
        || [SIGNING_KEY, USERS_KEYS, CYCLES_KEYS].map(|path| fs::read(made.path(path)).unwrap());
    let (before, keys_before) = (made.environment(), keys());
    assert_ne!(keys_before[1], keys_before[2], "each domain has its own");
    made.make(&[]);
    assert_eq!(made.environment(), before);
    let text = fs::read_to_string(made.path(".env")).unwrap();
    let rest: Vec<&str> =
        text.split_inclusive('\n').filter(|line| !line.starts_with("POSTGRES_")).collect();
    fs::write(made.path(".env"), rest.concat()).unwrap();
    made.make(&[]);
    let after = made.environment();
    assert_eq!(after.len(), before.len());
    let differ = before.iter().filter(|(name, value)| after[*name] != **value);
    assert_eq!(differ.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["POSTGRES_PASSWORD"]);
    assert_eq!(keys(), keys_before);
}

#[test]
fn keys_of_an_earlier_version_go_where_they_belong() {
    let made = MadeSecrets::new(&[]);
    let former = [
        (SIGNING_KEY, ".secrets/signing-key.pem"),
        (USERS_KEYS, ".secrets/users-sealing-keys"),
        (CYCLES_KEYS, ".secrets/cycles-sealing-keys"),
    ];
    let keys = || former.map(|(path, _)| fs::read(made.path(path)).unwrap());
    let before = keys();
    for (path, former) in former {
        fs::rename(made.path(path), made.path(former)).unwrap();
    }
    made.make(&[]);
    assert_eq!(keys(), before);
    assert!(former.iter().all(|(_, former)| !made.path(former).exists()));
}

/// As the service `keys` does it: the ring is the directory, so a new key lies beside the first.
#[test]
fn a_signing_key_is_exchanged_where_the_processes_see_it() {
    let made = MadeSecrets::new(&[]);
    let key = made.path(SIGNING_KEY);
    let mut rotate = lunation();
    rotate.args(["keys", "rotate", "--json", "--file"]).arg(&key);
    let shown = crate::tools::run(&mut rotate);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let beside = fs::read_dir(key.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 2, "{shown}");
}

#[test]
fn git_keeps_no_secret() {
    let ignored = text(".gitignore");
    for path in ["/.env", "/.secrets", "/.erasures", "/deploy/kubernetes/base/secrets"] {
        assert!(ignored.lines().any(|line| line == path), "{path}");
    }
}
