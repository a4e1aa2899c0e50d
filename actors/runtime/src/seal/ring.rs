//! The keys that come from outside the database.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use contracts::UserId;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    DataKey, FORMAT, KeyBytes, KeySource, NONCE_LENGTH, Place, SealError, TAG_LENGTH, begin,
    finish, open, source,
};

/// Most keys of a ring.
const KEYS_MAX: usize = 16;
/// Length of a key's id.
const ID_LENGTH: usize = 8;
/// A key whose bytes take fewer values than this was not drawn at random: of 2¹⁰⁰ that are, not one.
const DISTINCT_BYTES_MIN: usize = 10;

/// Names a key. It is computed from the key and says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_LENGTH]);

/// Keys from outside the database. The first one seals, all of them open. Clones share them.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    source: KeySource,
    keys: RwLock<Arc<[Key]>>,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    bytes: KeyBytes,
}

/// Why there is no ring. The texts are for the operator who starts the process.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The file could not be read or written.
    #[error("the file {path}: {source}")]
    File {
        /// Where it is, or should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner and the group may read the file, or others than the owner write it.
    #[error("the file {path} is open to others: run `chmod 600` on it")]
    TooOpen {
        /// Where it is.
        path: PathBuf,
    },
    /// The command could not be run, failed, or took too long.
    #[error("the command that tells the keys {0}")]
    Command(String),
    /// No key at all.
    #[error("there is no key; make one with `openssl rand -base64 32`")]
    Empty,
    /// More than can be meant.
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
    /// One is none.
    #[error("key {position} is not 32 bytes in base64 or in hexadecimal digits")]
    Malformed {
        /// Which, from 1.
        position: usize,
    },
    /// One was made up by hand.
    #[error("key {position} is not random; make one with `openssl rand -base64 32`")]
    NotRandom {
        /// Which, from 1.
        position: usize,
    },
    /// One stands there twice.
    #[error("key {position} is there twice")]
    Twice {
        /// Which, from 1.
        position: usize,
    },
}

impl KeyRing {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// They cannot be read, or one of them is none.
    pub fn load(source: KeySource) -> Result<Self, RingError> {
        let keys = parse(&source.read()?)?;
        Ok(Self(Arc::new(Inner { source, keys: RwLock::new(keys.into()) })))
    }

    /// Reads a file again, so that a new key is known without a restart. Other sources are read
    /// once, at the start. A key that is no longer there goes on opening as long as the process
    /// lives: it may have sealed something a moment ago.
    ///
    /// # Errors
    ///
    /// As [`KeyRing::load`]; the keys stay as they were.
    pub fn reload(&self) -> Result<(), RingError> {
        if let KeySource::File(_) = self.0.source {
            let read = parse(&self.0.source.read()?)?;
            let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
            let gone = keys.iter().filter(|key| read.iter().all(|other| other.id != key.id));
            let all = read.iter().chain(gone).cloned().collect();
            *keys = all;
        }
        Ok(())
    }

    /// Where the keys come from.
    pub fn source(&self) -> &KeySource {
        &self.0.source
    }

    /// The ids of the keys; the first is of the one that seals.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().iter().map(|key| key.id).collect()
    }

    /// Seals a value for a place under the first key, without hiding its length.
    ///
    /// # Errors
    ///
    /// It is too long.
    pub fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal_with(place, value, rand::random())
    }

    pub(super) fn seal_with(
        &self,
        place: &Place<'_>,
        value: &[u8],
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, SealError> {
        let keys = self.keys();
        let key = keys.first().ok_or(SealError::Malformed)?;
        let capacity = 1 + ID_LENGTH + NONCE_LENGTH + value.len() + TAG_LENGTH;
        let mut sealed = Vec::with_capacity(capacity);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&key.id.0);
        let start = begin(&mut sealed, &nonce);
        sealed.extend_from_slice(value);
        finish(&key.bytes, &nonce, &place.associated(&key.id.0), sealed, start)
    }

    /// Opens what was sealed for this place under any of the keys. If it is none of them and they
    /// come from a file, the file is read again: another process may know a newer one.
    ///
    /// # Errors
    ///
    /// It was not.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match self.open_known(place, sealed) {
            Err(SealError::UnknownKey(_)) if self.reload().is_ok() => {
                self.open_known(place, sealed)
            }
            opened => opened,
        }
    }

    /// Under which key something was sealed.
    ///
    /// # Errors
    ///
    /// It is in no known format.
    pub fn id_of(sealed: &[u8]) -> Result<KeyId, SealError> {
        Ok(split(sealed)?.0)
    }

    /// Wraps a user's data key under the first key.
    ///
    /// # Errors
    ///
    /// None that is to be expected.
    pub fn wrap_key(&self, user_id: UserId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        self.seal(&data_key_of(user_id), key.0.as_slice())
    }

    /// Unwraps a user's data key.
    ///
    /// # Errors
    ///
    /// It is not this user's, or is wrapped under a key that is not known.
    pub fn unwrap_key(&self, user_id: UserId, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let bytes = self.open(&data_key_of(user_id), wrapped)?;
        let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::Malformed)?;
        Ok(DataKey(Zeroizing::new(*bytes)))
    }

    fn open_known(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = split(sealed)?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey(id))?;
        open(&key.bytes, &place.associated(&id.0), rest)
    }

    fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeyId {
    /// The id of a key that is written as in a file of keys; none if that is no key.
    pub fn of_text(text: &str) -> Option<Self> {
        Some(Self::of(&source::decode(text.trim())?))
    }

    /// The id whose bytes these are.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The id that is shown so.
    pub fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text, 16).ok()?;
        (text.len() == 2 * ID_LENGTH).then_some(Self(number.to_be_bytes()))
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn of(key: &KeyBytes) -> Self {
        let digest = Sha256::new().chain_update(b"lunation key id v1\0").chain_update(**key);
        let digest: [u8; 32] = digest.finalize().into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Where a wrapped data key stands: it is the one row of its user.
fn data_key_of(user_id: UserId) -> Place<'static> {
    Place { table: "data_key", column: "wrapped", user_id, row: b"" }
}

fn split(sealed: &[u8]) -> Result<(KeyId, &[u8]), SealError> {
    let rest = sealed.strip_prefix(&[FORMAT]).ok_or(SealError::Malformed)?;
    let (id, rest) = rest.split_first_chunk::<ID_LENGTH>().ok_or(SealError::Malformed)?;
    Ok((KeyId(*id), rest))
}

/// Reads keys: a line or a word between commas is one, unless it begins with `#`.
fn parse(text: &str) -> Result<Vec<Key>, RingError> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, word) in source::words(text).enumerate() {
        let position = index + 1;
        let bytes = source::decode(word).ok_or(RingError::Malformed { position })?;
        let mut distinct = [false; 256];
        bytes.iter().for_each(|byte| distinct[usize::from(*byte)] = true);
        if distinct.into_iter().filter(|seen| *seen).count() < DISTINCT_BYTES_MIN {
            return Err(RingError::NotRandom { position });
        }
        let id = KeyId::of(&bytes);
        if keys.iter().any(|key| key.id == id) {
            return Err(RingError::Twice { position });
        }
        keys.push(Key { id, bytes });
    }
    match keys.len() {
        0 => Err(RingError::Empty),
        1..=KEYS_MAX => Ok(keys),
        _ => Err(RingError::TooMany),
    }
}
