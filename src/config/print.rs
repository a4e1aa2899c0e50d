//! What `config print` shows.

use std::io::{self, Write};

use super::{Config, keys::Key};

/// A key, its value as it may be shown, and where that came from.
pub(crate) struct Setting {
    /// Which key.
    pub(crate) key: &'static Key,
    /// The value without its secrets; none where nothing is set.
    pub(crate) value: Option<String>,
    /// `default`, the file, the variable or the flag.
    pub(crate) origin: String,
}

/// Writes every setting, one a line, with its origin.
pub(crate) fn settings(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let wide = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let names = wide(&mut config.settings.iter().map(|setting| setting.key.name.len()));
    let values = wide(&mut config.settings.iter().map(|setting| shown(setting).len()));
    for setting in &config.settings {
        let value = shown(setting);
        let Setting { key, origin, .. } = setting;
        writeln!(out, "{:names$} = {value:values$}  # {origin}", key.name)?;
    }
    Ok(())
}

fn shown(setting: &Setting) -> String {
    match &setting.value {
        Some(value) if value.parse::<u64>().is_ok() => value.clone(),
        Some(value) => format!("{value:?}"),
        None => "(not set)".to_owned(),
    }
}
