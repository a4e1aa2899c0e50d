//! What this machine has: a clock, Postgres' programs, room, keys.

use std::{fs, path::Path};

use actor_runtime::clock::Clock;

use super::Check;
use crate::{
    config::{Config, Domain, Profile, check_secret_file},
    embedded::{self, Binaries, DataDir},
};

/// No machine that runs this build has an earlier date: the year of the first release.
const YEAR_MIN: i32 = 2026;
const FREE_MIB_MIN: u64 = 256;
const FREE_MIB_COMFORTABLE: u64 = 2_048;

/// The process that holds the data directory now.
pub(super) fn holder(config: &Config) -> Option<String> {
    DataDir::holder(&config.storage.data_dir).ok().flatten()
}

/// Dates are checked against today, so a clock that was never set shows everywhere.
pub(super) fn clock() -> Check {
    let now = Clock::System.now();
    let text = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    if chrono::Datelike::year(&now) >= YEAR_MIN {
        Check::good("clock", text)
    } else {
        Check::bad("clock", text, "set the clock of this machine")
    }
}

/// Whether any domain of this process uses the embedded database.
pub(super) fn needs_cluster(config: &Config) -> bool {
    config.groups.domains().any(|domain| !config.databases.urls.contains_key(&domain))
}

/// The programs of the embedded database.
pub(super) fn postgres(config: &Config) -> Option<Check> {
    let name = "Postgres programs";
    if !needs_cluster(config) {
        return None;
    }
    let found = embedded::cluster_major(&config.storage.data_dir)
        .and_then(|major| Binaries::find(&config.storage.programs, major));
    Some(match found {
        Ok(binaries) => {
            Check::good(name, format!("{} in {}", binaries.version, binaries.directory().display()))
        }
        Err(error) => Check::bad(name, "none that fits", format!("{error:#}")),
    })
}

/// The data directory: there, ours, with room.
pub(super) fn data_directory(config: &Config, holder: Option<&str>) -> Vec<Check> {
    let given = &config.storage.data_dir;
    // A relative path has no ancestor that can be looked at.
    let path = std::path::absolute(given).unwrap_or_else(|_| given.clone());
    let name = "data directory";
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&path);
    let state = match holder {
        Some(pid) => format!("{}, used by process {pid}", path.display()),
        None if existing == path => format!("{}, not in use", path.display()),
        None => format!("{}, will be created", path.display()),
    };
    let writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_ok();
    let place = if writable {
        Check::good(name, state)
    } else {
        let advice = format!(
            "{} cannot be written by this user; choose another with --data-dir",
            existing.display()
        );
        Check::bad(name, state, advice)
    };
    vec![place, free_space(existing)]
}

fn free_space(path: &Path) -> Check {
    let name = "free space";
    let advice = "make room: without it writes are refused";
    match rustix::fs::statvfs(path) {
        Ok(filesystem) => {
            let free_mib = filesystem.f_bavail * filesystem.f_frsize / (1024 * 1024);
            let found = format!("{free_mib} MiB");
            if free_mib < FREE_MIB_MIN {
                Check::bad(name, found, advice)
            } else if free_mib < FREE_MIB_COMFORTABLE {
                Check::odd(name, found, advice)
            } else {
                Check::good(name, found)
            }
        }
        Err(error) => Check::bad(name, error.to_string(), "the data directory cannot be examined"),
    }
}

/// The key that signs access tokens.
pub(super) fn signing_key(config: &Config) -> Check {
    let name = "signing key";
    let path = config.auth.signing_key_path(&config.storage.data_dir);
    if !config.groups.has_domain(Domain::Users) {
        return Check::good(name, "not needed by these groups");
    }
    if !fs::exists(&path).unwrap_or(false) && config.profile == Profile::Development {
        return Check::good(name, format!("{}, will be generated", path.display()));
    }
    match check_secret_file(&path) {
        Ok(()) => Check::good(name, path.display().to_string()),
        Err(problem) => Check::bad(name, problem, "only this service may read its key"),
    }
}
