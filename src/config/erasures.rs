//! Where erasures are written down outside of the database.

use std::path::PathBuf;

use super::{Domain, Groups, keys::Key, reader::Reader};

const LEDGER_FILE: &str = "users.erasure_ledger_file";

pub(super) const KEYS: &[Key] = &[Key {
    name: LEDGER_FILE,
    default: None,
    flag: None,
    alias: None,
    secret: false,
    about: "file in which the users group writes down who was erased, and by which a database that was \
            restored from a backup erases them again before it is served; keep it where backups of the \
            database do not reach. By default `erasures.jsonl` in the data directory, where one is used",
}];

/// The ledger of erasures.
pub(crate) struct Erasures {
    /// Its file, if it is given.
    pub(crate) ledger_file: Option<PathBuf>,
}

impl Erasures {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { ledger_file: reader.optional_text(LEDGER_FILE).map(PathBuf::from) }
    }

    pub(super) fn validate(&self, reader: &mut Reader, groups: &Groups) {
        let Some(path) = &self.ledger_file else { return };
        if !groups.has_domain(Domain::Users) {
            reader.problem(LEDGER_FILE, "belongs to the users group alone; leave it out here");
            return;
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        reader.require(
            !path.is_dir() && directory.is_none_or(std::path::Path::is_dir),
            LEDGER_FILE,
            "must be a file in a directory that is there",
        );
    }
}
