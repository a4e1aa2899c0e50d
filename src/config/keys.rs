//! The table of every key. Nothing else decides what exists.

use super::{auth, connections, erasures, group, http, limits, log, mail, sealing, split, storage};

/// One key of the configuration.
pub(crate) struct Key {
    /// The dotted name, as in the file: `[auth] issuer` is `auth.issuer`.
    pub(crate) name: &'static str,
    /// The value without any configuration, in the notation of the environment; none is unset.
    pub(crate) default: Option<&'static str>,
    /// The flag of `serve`, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// A second, well-known environment variable.
    pub(crate) alias: Option<&'static str>,
    /// Whether the value may hold a secret and is never shown whole.
    pub(crate) secret: bool,
    /// What it does, for people.
    pub(crate) about: &'static str,
}

impl Key {
    /// The environment variable: `LUNATION_AUTH_ISSUER` for `auth.issuer`.
    pub(crate) fn variable(&self) -> String {
        format!("LUNATION_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// Every key, in the order in which it is shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    [
        group::KEYS,
        split::KEYS,
        super::KEYS,
        http::KEYS,
        connections::KEYS,
        storage::KEYS,
        limits::KEYS,
        auth::KEYS,
        sealing::KEYS,
        erasures::KEYS,
        mail::KEYS,
        log::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The key of a dotted name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// A Markdown table of every key, as it stands in the README.
pub(crate) fn markdown() -> String {
    let mut table =
        "| Key | Environment | Flag | Default | Meaning |\n|---|---|---|---|---|\n".to_owned();
    for key in all() {
        let alias = key.alias.map(|alias| format!(", `{alias}`")).unwrap_or_default();
        let flag = key.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        let default = key.default.map(|value| format!("`{value}`")).unwrap_or_default();
        let (name, variable, about) = (key.name, key.variable(), key.about);
        table.extend(["| `", name, "` | `", &variable, "`", &alias, " | ", &flag, " | "]);
        table.extend([&default, " | ", about, " |\n"]);
    }
    table
}
