//! The passwords of the cluster's roles: made here, and kept in a file for lunation alone.
//!
//! The file is a password file of libpq, so an operator can hand it to `psql` by `PGPASSFILE`.
//! Losing it costs nothing: new passwords are made, and the cluster is told.

use std::{
    convert::Infallible,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::account;
use crate::config::Domain;
use crate::private_file;

/// The name of the superuser's role.
pub(super) const SUPERUSER: &str = "postgres";

/// The file, in the data directory.
const FILE: &str = "pgpass";
/// The largest file that is read, in bytes; a whole one has less than 500.
const FILE_LENGTH_MAX: u64 = 4 * 1024;
/// What group and others must not have.
const MODE_OF_OTHERS: u32 = 0o077;
/// The length of a password in characters: 256 random bits in letters, digits, `-` and `_`, none
/// of which needs an escape in a URL or in this file.
const PASSWORD_LENGTH: usize = 43;

/// A password for every role. They are never printed.
pub(super) struct Passwords {
    superuser: SecretString,
    users: SecretString,
    cycles: SecretString,
    analytics: SecretString,
    notifications: SecretString,
}

impl Passwords {
    /// Reads the passwords of a data directory. Where there are none, or where others than their
    /// owner could have read them, makes new ones.
    pub(super) fn load_or_make(data_dir: &Path) -> Result<Self> {
        match find(data_dir)? {
            Found::Whole(passwords) => return Ok(passwords),
            Found::Nothing => tracing::debug!("making passwords for the embedded database"),
            Found::Unusable(problem) => tracing::warn!(
                "{FILE} in the data directory {problem}: the embedded database gets new passwords"
            ),
        }
        let made = Self::random();
        made.save(data_dir)?;
        Ok(made)
    }

    /// Reads the passwords of a data directory, and changes nothing.
    pub(super) fn load(data_dir: &Path) -> Result<Self> {
        match find(data_dir)? {
            Found::Whole(passwords) => Ok(passwords),
            Found::Nothing => bail!("{} is missing", data_dir.join(FILE).display()),
            Found::Unusable(problem) => bail!("{} {problem}", data_dir.join(FILE).display()),
        }
    }

    /// The password of the superuser.
    pub(super) const fn superuser(&self) -> &SecretString {
        &self.superuser
    }

    /// The password of a domain's role.
    pub(super) const fn of(&self, domain: Domain) -> &SecretString {
        match domain {
            Domain::Users => &self.users,
            Domain::Cycles => &self.cycles,
            Domain::Analytics => &self.analytics,
            Domain::Notifications => &self.notifications,
        }
    }

    fn random() -> Self {
        let Ok(passwords) = Self::each(|_| {
            let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
            Ok::<_, Infallible>(SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
        });
        passwords
    }

    /// The passwords in the text of a file; an error if one is missing or is none of ours.
    fn parse(text: &str) -> Result<Self, Malformed> {
        Self::each(|role| {
            let start = line_start(role);
            let password = text.lines().find_map(|line| line.strip_prefix(&start));
            let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let is_whole = |password: &&str| {
                password.len() == PASSWORD_LENGTH && password.bytes().all(is_ours)
            };
            password.filter(is_whole).map(SecretString::from).ok_or(Malformed)
        })
    }

    /// Makes the password of every role from the role's name.
    fn each<E>(mut password: impl FnMut(&str) -> Result<SecretString, E>) -> Result<Self, E> {
        Ok(Self {
            superuser: password(SUPERUSER)?,
            users: password(Domain::Users.name())?,
            cycles: password(Domain::Cycles.name())?,
            analytics: password(Domain::Analytics.name())?,
            notifications: password(Domain::Notifications.name())?,
        })
    }

    /// Under root the file belongs to whom the data directory belongs to, and so never to the
    /// user that Postgres runs as, unless the whole directory is theirs.
    fn save(&self, data_dir: &Path) -> Result<()> {
        let mut text = Zeroizing::new(String::new());
        let domains = Domain::ALL.map(|domain| (domain.name(), self.of(domain)));
        for (role, password) in [(SUPERUSER, self.superuser())].into_iter().chain(domains) {
            text.push_str(&line_start(role));
            text.push_str(password.expose_secret());
            text.push('\n');
        }
        let owner = if account::is_root() { Some(fs::metadata(data_dir)?.uid()) } else { None };
        private_file::replace(&data_dir.join(FILE), owner, &text)
    }
}

/// What a data directory holds.
enum Found {
    Whole(Passwords),
    Nothing,
    /// A file that must not be used, with what is wrong with it.
    Unusable(&'static str),
}

/// The text of a file that is none of ours.
struct Malformed;

fn find(data_dir: &Path) -> Result<Found> {
    let path = data_dir.join(FILE);
    // Everything is asked of the open file, so that nobody can exchange it in between.
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        opened => opened.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let metadata = file.metadata()?;
    let owners = [rustix::process::geteuid().as_raw(), fs::metadata(data_dir)?.uid()];
    if !owners.contains(&metadata.uid()) {
        return Ok(Found::Unusable("belongs to another user"));
    }
    if metadata.mode() & MODE_OF_OTHERS != 0 {
        return Ok(Found::Unusable("was open to group or others"));
    }
    let mut text = Zeroizing::new(Vec::new());
    let mut file = file.take(FILE_LENGTH_MAX);
    file.read_to_end(&mut text).with_context(|| format!("{} cannot be read", path.display()))?;
    let parsed = std::str::from_utf8(&text).map_err(|_| Malformed).and_then(Passwords::parse);
    Ok(parsed.map_or_else(|Malformed| Found::Unusable("is damaged"), Found::Whole))
}

/// What stands before the password: any host, any port, any database, this role.
fn line_start(role: &str) -> String {
    format!("*:*:*:{role}:")
}
