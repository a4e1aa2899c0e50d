//! Who Postgres runs as. It refuses to run as root, so root's Postgres runs as someone else.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Result, bail};

/// An unprivileged user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    name: String,
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user to run Postgres as: none if it is the one who runs this process. Data that already
/// belongs to somebody stays theirs; otherwise it is `postgres` if there is one, else `nobody`.
pub(super) fn choose(data_dir: &Path) -> Result<Option<Account>> {
    if !is_root() {
        return Ok(None);
    }
    for existing in [&data_dir.join("postgres"), data_dir] {
        if let Some(owner) = fs::metadata(existing).ok().filter(|metadata| metadata.uid() != 0) {
            let name = format!("user {}", owner.uid());
            return Ok(Some(Account { uid: owner.uid(), gid: owner.gid(), name }));
        }
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = ["postgres", "_postgres", "nobody"].into_iter().find_map(|name| find(&users, name));
    match found {
        Some(account) => Ok(Some(account)),
        None => bail!(
            "Postgres does not run as root, and this machine has neither a user postgres nor \
             nobody; run lunation as an ordinary user, or create one: useradd --system postgres"
        ),
    }
}

/// Checks that the user can reach a directory: every directory above it must let them through.
pub(super) fn check_reach(account: &Account, path: &Path) -> Result<()> {
    for directory in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        let metadata = fs::metadata(directory)?;
        if !lets_through(&metadata, account) {
            bail!(
                "Postgres does not run as root but as {}, who cannot enter {} (mode {:o}); choose \
                 another data directory with --data-dir, or chmod o+x '{}'",
                account.name,
                directory.display(),
                metadata.mode() & 0o7777,
                directory.display()
            );
        }
    }
    Ok(())
}

fn lets_through(metadata: &Metadata, account: &Account) -> bool {
    let bit = if metadata.uid() == account.uid {
        0o100
    } else if metadata.gid() == account.gid {
        0o010
    } else {
        0o001
    };
    metadata.mode() & bit != 0
}

/// Finds a user in the text of `/etc/passwd`. Ids may be negative there (`nobody` on macOS).
fn find(users: &str, name: &str) -> Option<Account> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let mut id = || {
        let number: i64 = fields.next()?.parse().ok()?;
        u32::try_from(number).or_else(|_| i32::try_from(number).map(i32::cast_unsigned)).ok()
    };
    Some(Account { uid: id()?, gid: id()?, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0::/:/bin/sh\npostgresx:x:7:7::/:\npostgres:x:101:104:a,b:/:\nnobody:*:-2:-2::/:\nbroken:x\n";
        let found = |name| find(users, name).map(|account| (account.uid, account.gid));
        assert_eq!(found("postgres"), Some((101, 104)));
        assert_eq!(found("nobody"), Some((4_294_967_294, 4_294_967_294)));
        assert_eq!(found("broken"), None);
        assert_eq!(found("post"), None);
    }
}
