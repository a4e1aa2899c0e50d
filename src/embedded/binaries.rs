//! Finds Postgres' programs on this machine.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::config::PostgresPrograms;

/// The oldest major version whose SQL our migrations may use.
const MAJOR_MIN: u32 = 14;

const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install postgresql@17"
} else {
    "sudo apt-get install postgresql (Debian, Ubuntu) or your system's package of the server"
};

/// An installation of Postgres.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    directory: PathBuf,
    /// The whole version, as `15.8`.
    pub(crate) version: String,
    /// The major version: data directories are bound to it.
    pub(crate) major: u32,
}

impl Binaries {
    /// The installation to use: the named one, otherwise the first of `pg_config`'s, Debian's
    /// (highest version first), Homebrew's and those on the PATH that fits. A cluster that exists
    /// fits its own major version alone.
    ///
    /// # Errors
    /// None fits; the message says which were found and what to install.
    pub(crate) fn find(programs: &PostgresPrograms, cluster_major: Option<u32>) -> Result<Self> {
        let bin_dir = programs.bin_dir.as_ref();
        let directories = match bin_dir {
            Some(directory) => vec![directory.clone()],
            None => candidates(&programs.search_path),
        };
        let found: Vec<Self> = directories.into_iter().filter_map(Self::probe).collect();
        let fitting = found.iter().find(|binaries| match cluster_major {
            Some(major) => binaries.major == major,
            None => binaries.major >= MAJOR_MIN,
        });
        if let Some(binaries) = fitting {
            return Ok(binaries.clone());
        }
        let named = bin_dir.map(|directory| format!(" in {} (PG_BIN)", directory.display()));
        let place = named.unwrap_or_else(|| " on this machine".to_owned());
        let versions: Vec<&str> = found.iter().map(|binaries| binaries.version.as_str()).collect();
        let versions = versions.join(", ");
        match (cluster_major, found.is_empty()) {
            (_, true) => bail!(
                "there is no Postgres server{place}: install one with {INSTALL}, name the \
                 directory of its programs with PG_BIN, or give a database of your own to every \
                 domain (USERS_DATABASE_URL, CYCLES_DATABASE_URL, ANALYTICS_DATABASE_URL, \
                 NOTIFICATIONS_DATABASE_URL)"
            ),
            (Some(major), false) => bail!(
                "the embedded database was made by Postgres {major}, and{place} there is only \
                 {versions}: install Postgres {major} again (apt-get install postgresql-{major}, \
                 brew install postgresql@{major}) or name its programs with PG_BIN. To move to \
                 the newer one, stop lunation and run pg_upgrade on <data-dir>/postgres/data, with \
                 PGPASSFILE=<data-dir>/pgpass"
            ),
            (None, false) => bail!(
                "Postgres {MAJOR_MIN} or newer is needed, and{place} there is only {versions}: \
                 {INSTALL}"
            ),
        }
    }

    /// The path of one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where the programs are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn probe(directory: PathBuf) -> Option<Self> {
        if !directory.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
        let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        let major = version.split(|digit: char| !digit.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { directory, version, major })
    }
}

/// `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)` is version `15.8`.
fn parse_version(text: &str) -> Option<String> {
    let version = text.split_whitespace().nth(2)?;
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

fn candidates(search_path: &[PathBuf]) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        directories.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    directories.extend(versioned(Path::new("/usr/lib/postgresql"), ""));
    for homebrew in ["/opt/homebrew/opt", "/usr/local/opt"] {
        directories.extend(versioned(Path::new(homebrew), "postgresql@"));
        directories.push(Path::new(homebrew).join("postgresql/bin"));
    }
    directories.extend_from_slice(search_path);
    directories
}

/// The `bin` directories below directories that are named after a version, newest first.
fn versioned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let major = version_of(&entry.file_name(), prefix)?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn version_of(name: &OsStr, prefix: &str) -> Option<u32> {
    name.to_str()?.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Scripts that answer as a Postgres of that version would.
    fn pretend(directory: &Path, version: &str) {
        fs::create_dir_all(directory).unwrap();
        for program in ["postgres", "initdb"] {
            let path = directory.join(program);
            let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Test)'\n");
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn versions_are_parsed() {
        for (text, version) in [
            ("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)", Some("15.8")),
            ("postgres (PostgreSQL) 18beta1", Some("18beta1")),
            ("postgres (Other)", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text).as_deref(), version);
        }
    }

    #[test]
    fn newest_versions_come_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["9", "15", "100", "bin", "x15"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let found = versioned(directory.path(), "");
        let expected = ["100/bin", "15/bin", "9/bin"].map(|name| directory.path().join(name));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        pretend(&old, "13.2");
        pretend(&new, "17.1");
        let find = |directory: &Path, major| {
            let bin_dir = Some(directory.to_owned());
            Binaries::find(&PostgresPrograms { bin_dir, ..PostgresPrograms::default() }, major)
        };
        let refusal = |directory: &Path, major| {
            find(directory, major).map(|found| found.version).unwrap_err().to_string()
        };
        assert!(refusal(directory.path(), None).contains("there is no Postgres server in"));
        assert!(refusal(&old, None).contains("Postgres 14 or newer is needed"));
        let other = refusal(&new, Some(15));
        assert!(other.contains("made by Postgres 15") && other.contains("17.1"), "{other}");
        assert_eq!(find(&new, Some(17)).unwrap().major, 17);
        assert_eq!(find(&old, Some(13)).unwrap().major, 13);
    }
}
