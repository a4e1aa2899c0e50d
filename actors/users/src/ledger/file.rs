//! The file of the ledger: JSON, one object a line, each of them durable before anything relies on it.
//!
//! The first line names the database that it is of. After it stand erasures, and now and then the
//! greatest id that was given to an account. Nothing is ever taken out. Any number of processes may
//! append to one file: each learns first what the others have written, under a lock.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use contracts::UserId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::LedgerEntry;

/// What the first line calls itself.
const NAME: &str = "lunation-erasures";
/// The notation of this build.
const VERSION: u16 = 1;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    ledger: String,
    version: u16,
    /// The database that it is of; a backup of it has the same name.
    pub database: Uuid,
    /// The greatest id that an account had then.
    pub last_user_id: UserId,
}

/// The greatest id that an account has had by now.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    last_user_id: UserId,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Erasure(LedgerEntry),
    Mark(Mark),
}

/// All that a ledger says.
#[derive(Debug)]
pub struct LedgerText {
    /// The database that it is of.
    pub database: Uuid,
    /// No account may get an id up to it: it could belong to somebody of whom other databases still
    /// hold something.
    pub last_user_id: UserId,
    /// Who was erased.
    pub entries: Vec<LedgerEntry>,
}

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A line is not one of a ledger.
    #[error("line {0} is not one of a ledger of erasures")]
    Malformed(usize),
    /// It says something that this build does not know.
    #[error("it is of a newer build")]
    Newer,
    /// It names people of another database, who are others here.
    #[error("it is of another database of users")]
    OtherDatabase,
    /// The database, by its kind of error alone.
    #[error("the database of users: {0}")]
    Database(String),
}

impl LedgerHead {
    /// Of a database, as it is now.
    pub fn new(database: Uuid, last_user_id: UserId) -> Self {
        Self { ledger: NAME.to_owned(), version: VERSION, database, last_user_id }
    }
}

impl LedgerText {
    /// Reads a whole ledger: half of one is none.
    ///
    /// # Errors
    ///
    /// It is none, or of a newer build.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let mut lines = text.lines();
        let first = lines.next().ok_or(LedgerError::Malformed(1))?;
        let head: LedgerHead =
            serde_json::from_str(first).map_err(|_| LedgerError::Malformed(1))?;
        if head.ledger != NAME {
            return Err(LedgerError::Malformed(1));
        }
        if head.version != VERSION {
            return Err(LedgerError::Newer);
        }
        let LedgerHead { database, last_user_id, .. } = head;
        let mut ledger = Self { database, last_user_id, entries: Vec::new() };
        for (number, line) in (2..).zip(lines) {
            match serde_json::from_str(line).map_err(|_| LedgerError::Malformed(number))? {
                Line::Erasure(entry) => ledger.entries.push(entry),
                Line::Mark(mark) => {
                    ledger.last_user_id = ledger.last_user_id.max(mark.last_user_id);
                }
            }
        }
        Ok(ledger)
    }
}

/// A ledger that is kept.
pub struct LedgerFile {
    path: PathBuf,
    database: Uuid,
    seen: Mutex<Seen>,
}

/// What is known of the file.
#[derive(Default)]
pub(super) struct Seen {
    /// How much of it was read.
    length: u64,
    /// Who stands in it.
    pub(super) erased: BTreeSet<UserId>,
    /// Who was erased last.
    pub(super) newest: Option<(DateTime<Utc>, UserId)>,
    /// The greatest id that it names.
    pub(super) last_user_id: Option<UserId>,
    /// Whether everything that the database knows was held against it.
    pub(super) is_complete: bool,
}

impl LedgerFile {
    /// Opens the ledger of a database, or begins it. One of another database in which nobody was
    /// erased is nobody's, and begun anew.
    ///
    /// # Errors
    ///
    /// It cannot be read or written, or is of another database.
    pub fn open(path: PathBuf, database: Uuid) -> Result<Self, LedgerError> {
        let ledger = Self { path, database, seen: Mutex::default() };
        ledger.append(&[], None)?;
        Ok(ledger)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(super) fn read(&self) -> Result<LedgerText, LedgerError> {
        self.append(&[], None)?;
        LedgerText::parse(&std::fs::read_to_string(&self.path)?)
    }

    /// What is known of it.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down who is not in it yet, and the greatest id if it is a greater one. When it returns,
    /// it lies on the disk. Says how many were new.
    ///
    /// # Errors
    ///
    /// It cannot be written; or the file is another ledger by now.
    pub(super) fn append(
        &self,
        entries: &[LedgerEntry],
        last_user_id: Option<UserId>,
    ) -> Result<usize, LedgerError> {
        let mut seen = self.seen();
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        file.lock()?;
        self.learn(&mut file, &mut seen)?;
        let news: Vec<&LedgerEntry> =
            entries.iter().filter(|entry| !seen.erased.contains(&entry.user_id)).collect();
        let mut text = String::new();
        for entry in &news {
            text.push_str(&line(entry)?);
        }
        let mark = last_user_id.filter(|last| seen.last_user_id.is_none_or(|seen| seen < *last));
        if let Some(last_user_id) = mark {
            text.push_str(&line(&Mark { last_user_id })?);
        }
        if text.is_empty() {
            return Ok(0);
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        for entry in &news {
            seen.note(entry);
        }
        seen.last_user_id = seen.last_user_id.max(mark);
        seen.length += u64::try_from(text.len()).unwrap_or_default();
        Ok(news.len())
    }

    /// Reads what others have written since. A line that was cut off by a power failure was relied
    /// upon by nobody, and goes.
    fn learn(&self, file: &mut File, seen: &mut Seen) -> Result<(), LedgerError> {
        if file.metadata()?.len() < seen.length {
            tracing::warn!("the ledger of erasures was cut or replaced; it is completed anew");
            *seen = Seen::default();
        }
        let mut text = String::new();
        file.seek(SeekFrom::Start(seen.length))?;
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            text.truncate(whole);
            file.set_len(seen.length + u64::try_from(whole).unwrap_or_default())?;
        }
        if seen.length == 0 {
            self.begin(file, &mut text)?;
        }
        let ledger = if seen.length == 0 {
            LedgerText::parse(&text)?
        } else {
            // The same lines, without the first.
            let head = line(&LedgerHead::new(self.database, UserId::new(0)))?;
            LedgerText::parse(&format!("{head}{text}"))?
        };
        ledger.entries.iter().for_each(|entry| seen.note(entry));
        seen.last_user_id = seen.last_user_id.max(Some(ledger.last_user_id));
        seen.length += u64::try_from(text.len()).unwrap_or_default();
        Ok(())
    }

    /// Writes the first line, if there is none.
    fn begin(&self, file: &mut File, text: &mut String) -> Result<(), LedgerError> {
        if !text.is_empty() {
            let there = LedgerText::parse(text)?;
            if there.database == self.database {
                return Ok(());
            }
            if !there.entries.is_empty() {
                return Err(LedgerError::OtherDatabase);
            }
            file.set_len(0)?;
        }
        *text = line(&LedgerHead::new(self.database, UserId::new(0)))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Its name has to last, too.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, entry: &LedgerEntry) {
        self.erased.insert(entry.user_id);
        self.newest = self.newest.max(Some((entry.erased_at, entry.user_id)));
    }
}

fn line(value: &impl Serialize) -> Result<String, LedgerError> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    Ok(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(0xa);
    const B: Uuid = Uuid::from_u128(0xb);

    fn entry(user: i64) -> LedgerEntry {
        let user_id = UserId::new(user);
        let erased_at = DateTime::from_timestamp(1_700_000_000 + user, 0).unwrap();
        LedgerEntry { user_id, receipt: Uuid::from_u128(user.unsigned_abs().into()), erased_at }
    }

    fn ids(ledger: &LedgerText) -> Vec<i64> {
        ledger.entries.iter().map(|entry| entry.user_id.get()).collect()
    }

    #[test]
    fn processes_share_a_file_and_nobody_stands_in_it_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erasures.jsonl");
        let one = LedgerFile::open(path.clone(), A).unwrap();
        let other = LedgerFile::open(path.clone(), A).unwrap();
        assert_eq!(one.append(&[entry(7), entry(3)], Some(UserId::new(9))).unwrap(), 2);
        assert_eq!(other.append(&[entry(3), entry(5)], Some(UserId::new(8))).unwrap(), 1);
        assert_eq!(one.append(&[entry(5)], Some(UserId::new(9))).unwrap(), 0);
        let read = one.read().unwrap();
        assert_eq!(ids(&read), [7, 3, 5]);
        assert_eq!((read.database, read.last_user_id), (A, UserId::new(9)));
        assert_eq!(one.seen().newest.unwrap().1, UserId::new(7));
        let again = LedgerFile::open(path, A).unwrap();
        assert_eq!(again.seen().erased.len(), 3);
    }

    #[test]
    fn what_a_power_failure_cut_off_is_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erasures.jsonl");
        LedgerFile::open(path.clone(), A).unwrap().append(&[entry(1)], None).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let next = line(&entry(2)).unwrap();
        for cut in [1, next.len() / 2, next.len() - 1] {
            std::fs::write(&path, format!("{whole}{}", next.split_at(cut).0)).unwrap();
            let ledger = LedgerFile::open(path.clone(), A).unwrap();
            assert_eq!(ledger.append(&[entry(1), entry(2)], None).unwrap(), 1);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{next}"));
        }
        let head = whole.lines().next().unwrap();
        std::fs::write(&path, head.split_at(20).0).unwrap();
        assert!(LedgerFile::open(path.clone(), A).unwrap().read().unwrap().entries.is_empty());
        std::fs::write(&path, whole.replace("receipt", "recei")).unwrap();
        assert!(matches!(LedgerFile::open(path, A), Err(LedgerError::Malformed(2))));
    }

    #[test]
    fn a_ledger_is_not_taken_for_that_of_another_database() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erasures.jsonl");
        let nobody = LedgerFile::open(path.clone(), A).unwrap();
        nobody.append(&[], Some(UserId::new(4))).unwrap();
        let mine = LedgerFile::open(path.clone(), B).unwrap();
        assert_eq!(mine.read().unwrap().last_user_id, UserId::new(0));
        mine.append(&[entry(1)], None).unwrap();
        assert!(matches!(LedgerFile::open(path, A), Err(LedgerError::OtherDatabase)));
    }

    #[test]
    fn a_file_that_was_taken_away_is_completed_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erasures.jsonl");
        let ledger = LedgerFile::open(path.clone(), A).unwrap();
        ledger.append(&[entry(1)], None).unwrap();
        ledger.seen().is_complete = true;
        std::fs::remove_file(&path).unwrap();
        ledger.append(&[entry(2)], None).unwrap();
        assert!(!ledger.seen().is_complete);
        assert_eq!(ids(&ledger.read().unwrap()), [2]);
    }

    #[test]
    fn half_a_ledger_is_none() {
        let head = line(&LedgerHead::new(A, UserId::new(9))).unwrap();
        let whole = line(&entry(7)).unwrap();
        let read = LedgerText::parse(&format!("{head}{whole}")).unwrap();
        assert_eq!((read.last_user_id, ids(&read)), (UserId::new(9), vec![7]));
        for broken in [
            String::new(),
            whole.clone(),
            format!("{head}{}", whole.split_at(50).0),
            head.replace(":1,", ":2,"),
            head.replace(NAME, "other"),
        ] {
            assert!(LedgerText::parse(&broken).is_err(), "{broken}");
        }
    }
}
