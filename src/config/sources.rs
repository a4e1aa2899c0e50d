//! Where values come from.

use std::{collections::BTreeMap, path::PathBuf};

/// The inputs of [`super::Config::load`]: passed in, so that tests choose them.
#[derive(Default)]
pub(crate) struct Sources {
    /// The file, if one was named.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Keys that flags set, with their values.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// Whether the process runs as root: the default data directory depends on it.
    pub(crate) root: bool,
}

/// The environment of this process, read once. Variables that are not UTF-8 cannot be ours and are left out.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once")]
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
