//! The data directory: created private, locked for the life of the process, marked with the
//! version of its layout.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::account::{self, Account};

const LOCK_FILE: &str = "lunation.lock";
const LAYOUT_FILE: &str = "layout";

/// The layout of the data directory that this build writes and reads.
const LAYOUT: u32 = 1;

/// The data directory, locked. The lock goes with the value, or with the process, however it ends.
pub(crate) struct DataDir {
    path: PathBuf,
    account: Option<Account>,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if need be and locks it.
    ///
    /// # Errors
    /// Another process holds it, it cannot be written, it holds something else, or a newer version
    /// made it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = create(path)?;
        let lock = lock(&path)?;
        refuse_foreign(&path)?;
        check_layout(&path)?;
        let account = account::choose(&path)?;
        restrict(&path, account.as_ref())?;
        Ok(Self { path, account, _lock: lock })
    }

    /// Where it is: absolute, without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The user that Postgres must run as, if this process is root.
    pub(super) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// The process that holds a data directory now, as far as can be seen without disturbing it.
    pub(crate) fn holder(path: &Path) -> io::Result<Option<String>> {
        let file = match File::open(path.join(LOCK_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(pid_in(path))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn create(path: &Path) -> Result<PathBuf> {
    let refused = |error: io::Error| {
        let user = rustix::process::geteuid().as_raw();
        anyhow::Error::new(error).context(format!(
            "the data directory {} cannot be created by user {user}; choose another with --data-dir",
            path.display()
        ))
    };
    let absolute = std::path::absolute(path).map_err(refused)?;
    if let Some(parent) = absolute.parent() {
        fs::create_dir_all(parent).map_err(refused)?;
    }
    match DirBuilder::new().mode(0o700).create(&absolute) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refused(error)),
        _ => {}
    }
    if !absolute.is_dir() {
        bail!("the data directory {} is no directory", path.display());
    }
    absolute.canonicalize().map_err(refused)
}

fn lock(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path.join(LOCK_FILE))
        .with_context(|| {
            let user = rustix::process::geteuid().as_raw();
            format!(
                "the data directory {} cannot be written by user {user}; choose another with \
                 --data-dir, or give it to this user",
                path.display()
            )
        })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "the data directory {} is in use by another lunation (process {}); stop that one, or \
             choose another directory with --data-dir",
            path.display(),
            pid_in(path)
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).context(format!("{} cannot be locked", path.display()));
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    give_to_owner(path, LOCK_FILE)?;
    Ok(file)
}

fn pid_in(path: &Path) -> String {
    let pid = fs::read_to_string(path.join(LOCK_FILE)).unwrap_or_default();
    let pid = pid.trim();
    if pid.is_empty() { "unknown".to_owned() } else { pid.to_owned() }
}

/// Somebody's directory with other things in it was hardly meant: its mode would be changed.
fn refuse_foreign(path: &Path) -> Result<()> {
    if path.join(LAYOUT_FILE).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK_FILE && name != "lost+found" {
            fs::remove_file(path.join(LOCK_FILE))?;
            bail!(
                "{} is no data directory of lunation and holds other things ({}); choose an empty \
                 or a new one with --data-dir",
                path.display(),
                name.display()
            );
        }
    }
    Ok(())
}

fn check_layout(path: &Path) -> Result<()> {
    let file = path.join(LAYOUT_FILE);
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Renamed into place: a reader never sees half a number.
            let unfinished = path.join("layout.new");
            fs::write(&unfinished, format!("{LAYOUT}\n"))?;
            fs::rename(&unfinished, &file)?;
            return give_to_owner(path, LAYOUT_FILE);
        }
        read => read.with_context(|| format!("{} cannot be read", file.display()))?,
    };
    match text.trim().parse::<u32>() {
        Ok(LAYOUT) => Ok(()),
        Ok(newer) if newer > LAYOUT => bail!(
            "the data directory {} has layout {newer}, made by a newer lunation; this one knows \
             layout {LAYOUT}: use the newer one",
            path.display()
        ),
        _ => bail!("{} is damaged: it must hold the number {LAYOUT}", file.display()),
    }
}

/// Closes the directory to others. Under root, Postgres' user must be able to pass through it (its
/// group, and no more), while the secrets in it stay root's.
fn restrict(path: &Path, account: Option<&Account>) -> Result<()> {
    let metadata = fs::metadata(path)?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let Some(account) = account else {
        if ours && metadata.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        return Ok(());
    };
    if ours {
        chown(path, None, Some(account.gid))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o710))?;
    }
    Ok(())
}

/// A file that root makes in somebody's directory stays theirs, so that they can start without
/// root again.
fn give_to_owner(path: &Path, name: &str) -> Result<()> {
    if account::is_root() {
        let owner = fs::metadata(path)?;
        chown(path.join(name), Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
