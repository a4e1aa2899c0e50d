//! The server's configuration, rendered from the table.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use super::{Credential, Permission, Verb, permissions};

/// The oldest server that knows `sync_interval`; older ones refuse a configuration that has it.
const SYNC_INTERVAL_SINCE: (u32, u32) = (2, 10);
/// What the four streams may hold together is 3.25 GiB.
const FILE_STORE_MAX: &str = "4GB";
/// Where the container has its volume.
const CONTAINER_STORE: &str = "\"/data\"";
/// No stream is kept in memory.
const MEMORY_STORE_MAX: &str = "64MB";
const HEADER: &str = "\
# Generated from nats/src/accounts/table.rs. Do not edit: `cargo test -p lunation-nats` compares.
";
const CONTAINER_NOTES: &str = "\
#
# For containers. The passwords come from the environment; the server does not start without them.
# Each has to begin with a letter and to hold letters, digits, '-' and '_' alone: the server reads
# 123 as a number. It would take an empty one for a password, so whoever starts it has to refuse
# that (Compose: ${NAME:?}).
";
const SYNCED_NOTES: &str = "\
#
# The same, and the server says that it has stored something only when the disk has it. For servers
# from 2.10 on: older ones do not know sync_interval and refuse to start. It makes publishing about
# a hundred times slower, and is not needed for the promises: the outboxes keep what a broker loses.
";

/// A password for each credential. There is no `Debug`.
#[derive(Clone)]
pub struct Passwords(pub(super) BTreeMap<Credential, String>);

/// What is special to one server.
pub struct ServerSettings<'a> {
    /// Where clients connect; port 0 is any that is free (the server's `--ports_file_dir` says which).
    pub listen: SocketAddr,
    /// Where it shows its state over HTTP, to whoever asks; not at all if none.
    pub monitoring: Option<SocketAddr>,
    /// Where the streams are kept.
    pub store_dir: PathBuf,
    /// They stand in the configuration as they are: write it for its owner's eyes only (0600).
    pub passwords: &'a Passwords,
    /// Acknowledge only what the disk has. See [`server_knows_sync_interval`].
    pub sync_always: bool,
}

/// The configuration of one server.
pub fn server_configuration(settings: &ServerSettings<'_>) -> String {
    let ServerSettings { listen, monitoring, store_dir, passwords, sync_always } = settings;
    let store_dir = quoted(&store_dir.to_string_lossy());
    let monitoring = monitoring.map(|address| address.to_string());
    let mut text = HEADER.to_owned();
    let port = if listen.port() == 0 { "-1".to_owned() } else { listen.port().to_string() };
    let listen = SocketAddr::new(listen.ip(), 0).to_string();
    let host = listen.strip_suffix(":0").unwrap_or(&listen);
    text.push_str(&general(&format!("{host}:{port}"), monitoring.as_deref()));
    text.push_str(&jetstream(&store_dir, *sync_always));
    text.push_str(&authorization(|credential| quoted(passwords.of(credential))));
    text
}

/// `nats/server.conf`: for containers, and for any server from 2.9 on.
pub fn committed_configuration() -> String {
    let mut text = format!("{HEADER}{CONTAINER_NOTES}");
    text.push_str(&general("0.0.0.0:4222", Some("0.0.0.0:8222")));
    text.push_str(&jetstream(CONTAINER_STORE, false));
    text.push_str(&authorization(|credential| format!("${}", credential.password_variable())));
    text
}

/// `nats/server-synced.conf`: the same with `sync_interval: always`. The later `jetstream` replaces
/// the earlier one.
pub fn committed_synced_configuration() -> String {
    let include = "\ninclude \"server.conf\"\n";
    format!("{HEADER}{SYNCED_NOTES}{include}{}", jetstream(CONTAINER_STORE, true))
}

/// Whether a server understands `sync_interval`, by what `nats-server --version` printed.
pub fn server_knows_sync_interval(version: &str) -> bool {
    let number = version.trim().rsplit([' ', 'v']).next().unwrap_or_default();
    let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    found >= SYNC_INTERVAL_SINCE
}

fn general(listen: &str, monitoring: Option<&str>) -> String {
    let http = monitoring.map(|address| format!("http: \"{address}\"\n")).unwrap_or_default();
    // A tracing server prints payloads.
    format!(
        "\nserver_name: lunation\nlisten: \"{listen}\"\n{http}max_payload: 8MB\nping_interval: \"5s\"\nping_max: 2\ntrace: false\n"
    )
}

fn jetstream(store_dir: &str, sync_always: bool) -> String {
    let sync = if sync_always { "  sync_interval: always\n" } else { "" };
    format!(
        "\njetstream {{\n  store_dir: {store_dir}\n  max_file_store: {FILE_STORE_MAX}\n  \
         max_memory_store: {MEMORY_STORE_MAX}\n{sync}}}\n"
    )
}

fn authorization(password: impl Fn(Credential) -> String) -> String {
    let users = Credential::EVERY.map(|credential| user(credential, &password(credential)));
    format!("\nauthorization {{\n  users: [\n{}  ]\n}}\n", users.concat())
}

fn user(credential: Credential, password: &str) -> String {
    let permissions = permissions(credential);
    let line = |permission: &Permission| {
        let queue = permission.queue.map(|queue| format!(" {queue}")).unwrap_or_default();
        format!("          \"{}{queue}\"\n", permission.subject)
    };
    let lines = |wanted: &dyn Fn(Verb) -> bool| -> String {
        permissions.iter().filter(|permission| wanted(permission.verb)).map(line).collect()
    };
    let publish = lines(&|verb| verb != Verb::Subscribe);
    let subscribe = lines(&|verb| verb == Verb::Subscribe);
    // An empty list would allow everything.
    let publish = if publish.is_empty() {
        "{ deny: [\">\"] }".to_owned()
    } else {
        format!("{{ allow: [\n{publish}        ] }}")
    };
    format!(
        "    {{\n      user: {credential}\n      password: {password}\n      permissions: {{\n        \
         publish: {publish}\n        subscribe: {{ allow: [\n{subscribe}        ] }}\n      }}\n    \
         }}\n"
    )
}

/// A string of the configuration language.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}
