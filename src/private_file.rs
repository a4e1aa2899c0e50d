//! Files that are replaced as a whole, and that nobody but their owner can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, fchown},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Writes a file beside its place, makes it durable and renames it, so that at every instant there
/// is the old one or the new one. It belongs to this process' user, or to the one that is named.
///
/// # Errors
/// It cannot be written.
pub(crate) fn replace(path: &Path, owner: Option<u32>, text: &str) -> Result<()> {
    write(path, owner, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn write(path: &Path, owner: Option<u32>, text: &str) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = Path::new(&unfinished);
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Created anew: a link that somebody put there is not followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(text.as_bytes())?;
    if owner.is_some() {
        fchown(&file, owner, None)?;
    }
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
