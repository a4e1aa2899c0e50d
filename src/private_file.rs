//! Files that are replaced as a whole, and that nobody but their owner can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Writes a file beside its place, makes it durable and renames it, so that at every instant there
/// is the old one or the new one. It belongs to this process' user, or to the one that is named.
///
/// # Errors
/// It cannot be written.
pub(crate) fn replace(path: &Path, owner: Option<u32>, text: &str) -> Result<()> {
    let written = write(path, text, |file| match owner {
        Some(_) => fchown(file, owner, None),
        None => Ok(()),
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Replaces a file by one that the same people can read: a group that could still can.
///
/// # Errors
/// It is not there, or cannot be written.
pub(crate) fn renew(path: &Path, text: &str) -> Result<()> {
    let written = fs::metadata(path).and_then(|former| {
        let mode = former.mode() & 0o777;
        let group = (mode & 0o070 != 0).then_some(former.gid());
        write(path, text, |file| {
            fchown(file, Some(former.uid()), group)?;
            file.set_permissions(fs::Permissions::from_mode(mode))
        })
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn write(path: &Path, text: &str, admit: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
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
    admit(&file)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
