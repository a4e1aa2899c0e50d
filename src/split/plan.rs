//! Which processes there are, and what each of them gets.

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use secrecy::SecretString;

use super::member::Plan;
use crate::{
    cli::Settings,
    config::{self, Config, Domain, Group, Groups, Sealing, Split},
};

/// Flags that this process sets for each of its own, or that are meant for itself.
const OWN_FLAGS: [&str; 7] =
    ["groups", "listen", "admin_listen", "data_dir", "nats_url", "split", "replicas"];

/// A variable that is blank hides what the file says, and sets nothing.
const UNSET: &str = " ";

/// What is handed out, each to whom it belongs.
pub(super) struct Grants {
    /// The database of each domain, for its own role.
    pub(super) databases: BTreeMap<Domain, SecretString>,
    /// The broker for each group's own credential.
    pub(super) nats_urls: BTreeMap<Group, SecretString>,
    /// The file of the signing key: for the users group.
    pub(super) signing_key: PathBuf,
    /// The file of the ledger of erasures: for the users group.
    pub(super) ledger: PathBuf,
    /// For each domain that seals, the variable that says where its keys come from.
    pub(super) sealing: BTreeMap<Domain, (String, SecretString)>,
}

/// The width of the longest label.
pub(super) fn label_width(split: &Split) -> usize {
    labels(split).map(|(_, _, label)| label.len()).max().unwrap_or_default()
}

/// Every process of the instance.
///
/// # Errors
/// A group has no database or no credential.
pub(super) fn all(
    config: &Config,
    split: &Split,
    settings: &Settings,
    grants: &Grants,
) -> Result<Vec<Plan>> {
    labels(split)
        .map(|(group, nth, label)| one(config, settings, grants, group, nth, label))
        .collect()
}

/// Group, number from 0, and label of every process.
fn labels(split: &Split) -> impl Iterator<Item = (Group, usize, String)> + '_ {
    Group::ALL.into_iter().flat_map(|group| {
        let count = split.replicas(group);
        (0..count).map(move |nth| {
            let number = if count == 1 { String::new() } else { format!("-{}", nth + 1) };
            (group, nth, format!("{group}{number}"))
        })
    })
}

fn one(
    config: &Config,
    settings: &Settings,
    grants: &Grants,
    group: Group,
    nth: usize,
    label: String,
) -> Result<Plan> {
    let data_dir = config.storage.data_dir.join("processes").join(&label);
    let (listen, admin_listen) = addresses(config, group, nth);
    let mut arguments: Vec<OsString> = Vec::new();
    let mut flag = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
    if let Some(file) = &settings.config {
        flag("--config", file.into());
    }
    for (name, value) in settings.flags() {
        if !OWN_FLAGS.contains(&name) {
            let name = config::keys::find(name).and_then(|key| key.flag);
            flag(name.context("a flag without a name")?, value.into());
        }
    }
    flag("--groups", group.name().into());
    flag("--listen", listen.to_string().into());
    let admin = admin_listen.map_or_else(|| "none".to_owned(), |address| address.to_string());
    flag("--admin-listen", admin.into());
    flag("--data-dir", data_dir.clone().into());

    let nats_url = grants.nats_urls.get(&group).context("a group without a credential")?;
    let mut environment = vec![("LUNATION_NATS_URL".to_owned(), nats_url.clone())];
    if let Group::Domain(domain) = group {
        let url = grants.databases.get(&domain).context("a domain without a database")?;
        environment.push((database_variable(domain), url.clone()));
    }
    let of_users = [
        ("LUNATION_AUTH_SIGNING_KEY_FILE", &grants.signing_key),
        ("LUNATION_USERS_ERASURE_LEDGER_FILE", &grants.ledger),
    ];
    for (variable, path) in of_users {
        let is_users = group == Group::Domain(Domain::Users);
        let path = if is_users { path.display().to_string() } else { UNSET.to_owned() };
        environment.push((variable.to_owned(), path.into()));
    }
    for variable in sealing_variables() {
        environment.push((variable, UNSET.to_owned().into()));
    }
    if let Group::Domain(domain) = group
        && let Some((variable, value)) = grants.sealing.get(&domain)
    {
        environment.retain(|(name, _)| name != variable);
        environment.push((variable.clone(), value.clone()));
    }
    if group != Group::Domain(Domain::Users) {
        environment.push(("LUNATION_MAIL_SMTP_URL".to_owned(), UNSET.to_owned().into()));
    }
    // They read the same file, and these are meant for this process alone.
    environment.push(("LUNATION_SPLIT".to_owned(), "false".to_owned().into()));
    environment.push(("LUNATION_REPLICAS".to_owned(), UNSET.to_owned().into()));
    let log_format = if crate::telemetry::is_json(&config.log) { "json" } else { "pretty" };
    environment.push(("LUNATION_LOG_FORMAT".to_owned(), log_format.to_owned().into()));
    Ok(Plan { label, group, arguments, environment, withheld: withheld(), data_dir })
}

/// The addresses that are known before anything starts, each with what it is for.
pub(super) fn fixed_addresses(
    config: &Config,
    split: &Split,
) -> impl Iterator<Item = (String, SocketAddr)> {
    let all = labels(split).flat_map(|(group, nth, label)| {
        let (listen, admin_listen) = addresses(config, group, nth);
        let admin = admin_listen.map(|address| (format!("health and metrics of {label}"), address));
        [Some((label, listen)), admin].into_iter().flatten()
    });
    all.filter(|(_, address)| address.port() != 0)
}

/// The usual addresses for the first process of a group, free ports for the others; free ones for
/// all of them if the gateway is to have one.
fn addresses(config: &Config, group: Group, nth: usize) -> (SocketAddr, Option<SocketAddr>) {
    let http = &config.http;
    let free = http.listen.port() == 0 || nth > 0;
    let at = |mut address: SocketAddr, usual: u16| {
        if free {
            address.set_port(0);
        } else if group != Group::Api {
            address.set_port(usual);
        }
        address
    };
    let groups = Groups::of(group);
    let listen = at(http.listen, groups.default_listen().port());
    let usual = groups.default_admin_listen().port();
    let admin_listen = http.admin_listen.map(|address| at(address, usual));
    (listen, admin_listen)
}

/// Variables that could hand a process what belongs to another one.
fn withheld() -> Vec<String> {
    let databases = Domain::ALL.into_iter().flat_map(|domain| {
        let variable = database_variable(domain);
        let alias = variable.trim_start_matches("LUNATION_").to_owned();
        [variable, alias]
    });
    let others = [
        "LUNATION_NATS_URL",
        "NATS_URL",
        "LUNATION_AUTH_SIGNING_KEY_FILE",
        "LUNATION_USERS_ERASURE_LEDGER_FILE",
        "LUNATION_SPLIT",
        "LUNATION_REPLICAS",
        "LUNATION_GROUPS",
        "LUNATION_LISTEN",
        "LUNATION_ADMIN_LISTEN",
        "LUNATION_DATA_DIR",
    ];
    databases.chain(sealing_variables()).chain(others.map(str::to_owned)).collect()
}

/// The variables that say where sealing keys come from.
fn sealing_variables() -> impl Iterator<Item = String> {
    let names = Sealing::DOMAINS.into_iter().flat_map(Sealing::names);
    names.filter_map(|name| Some(config::keys::find(name)?.variable()))
}

fn database_variable(domain: Domain) -> String {
    format!("LUNATION_{}_DATABASE_URL", domain.name().to_uppercase())
}
