//! The keys of what is sealed: there, private, and all that the databases need.

use std::fs;

use actor_runtime::seal::{KeyRing, KeySource};

use super::Check;
use crate::{
    config::{Config, Domain, Profile, Sealing},
    embedded,
    output::counted,
    sealing,
};

/// The sealing keys of every domain that has some.
pub(super) async fn all(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    for domain in Sealing::DOMAINS {
        checks.push(if config.groups.has_domain(domain) {
            one(config, domain).await
        } else {
            Check::good(name(domain), "not needed by these groups")
        });
    }
    checks
}

async fn one(config: &Config, domain: Domain) -> Check {
    let name = name(domain);
    let source = config.sealing.source(domain, &config.storage.data_dir);
    if let KeySource::File(path) = &source
        && config.sealing.is_generated(domain)
        && config.profile == Profile::Development
        && !fs::exists(path).unwrap_or(false)
    {
        return Check::good(name, format!("{}, will be generated", path.display()));
    }
    let advice = "only this service may read its keys, one a line, 32 bytes in base64 each";
    let ring = match KeyRing::load(source) {
        Ok(ring) => ring,
        Err(error) => return Check::bad(name, error.to_string(), advice),
    };
    let keys = counted(ring.ids().len(), "key");
    let keys = format!("{}, {keys}", sealing::described(ring.source()));
    let url = match config.databases.urls.get(&domain) {
        Some(url) => Some(url.clone()),
        None => embedded::database_url_if_running(&config.storage.data_dir, domain),
    };
    // What is wrong with the database has a line of its own.
    let Ok(state) = sealing::state(&ring, domain, url.as_ref()).await else {
        return Check::good(name, keys);
    };
    if let Some(missing) = state.missing().next() {
        let advice = "nothing starts without the key that values are sealed under; put it back";
        return Check::bad(name, format!("{keys}, the key {missing} is missing"), advice);
    }
    if let Some(count @ 1..) = state.in_clear {
        let found = format!("{keys}, {} in clear", counted(count, "symptom"));
        return Check::odd(name, found, "what is in clear is sealed while the service runs");
    }
    let current = state.current().map_or_else(String::new, |id| format!(", {id} seals"));
    Check::good(name, format!("{keys}{current}"))
}

fn name(domain: Domain) -> String {
    format!("sealing keys {domain}")
}
