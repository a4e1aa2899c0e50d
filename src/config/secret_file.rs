//! Files that hold secrets must not be readable by everyone on the machine.

use std::{fs::Metadata, os::unix::fs::PermissionsExt, path::Path};

use super::{Profile, reader::Reader};

/// What is wrong with a file that holds a secret.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    // Group access stays allowed: secrets mounted into containers are often 0440 or 0640.
    if open_to_all(&metadata) {
        let path = path.display();
        return Err(format!("{path} is open to every user of this machine; chmod 600 '{path}'"));
    }
    Ok(())
}

/// A configuration file with a password in it is a secret file too.
pub(super) fn validate_config_file(reader: &mut Reader, profile: Profile) {
    let Some(path) = reader.file.clone().filter(|_| reader.file_holds_secret) else { return };
    let Err(problem) = check(&path) else { return };
    let problem = format!("the configuration file holds a password, and {problem}");
    match profile {
        Profile::Production => reader.problem_elsewhere(problem),
        Profile::Development => reader.warning(problem),
    }
}

fn open_to_all(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o007 != 0
}
