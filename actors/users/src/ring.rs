//! The signing keys of an instance, and how one takes the place of another.
//!
//! The ring is the configured key file and its siblings: beside `signing-key.pem` lies
//! `signing-key.1790000000.pem`, which signs from that second since 1970 on. It is published before
//! (`lunation keys rotate` leaves 15 minutes), so that everybody who verifies tokens has heard of it;
//! and what it replaces is published for as long as a token of it can be about.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use actor_runtime::{
    background::{self, LoopResult},
    supervisor::Child,
};
use chrono::{DateTime, Utc};
use contracts::limits;
use jsonwebtoken::jwk::JwkSet;
use tokio::{task, time};

use crate::keys::{KeyError, SigningKey};

/// How often a running process looks for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long a key is published after its last token has expired: clocks differ.
const KEEP_MARGIN: Duration = Duration::from_mins(1);
/// More keys than there are ever at a time: whatever lies there is not ours.
const KEYS_MAX: usize = 16;

/// The signing keys of a running process; it sees when they change.
pub struct KeyRing {
    path: PathBuf,
    ring: RwLock<Arc<Ring>>,
}

/// The keys as they lie in the directory.
struct Ring {
    /// In the order in which they sign; never empty.
    keys: Vec<RingKey>,
    seen: Vec<Seen>,
}

struct RingKey {
    key: SigningKey,
    path: PathBuf,
    /// From when it signs, in seconds since 1970; the first one always has.
    from: i64,
}

/// What tells one state of the directory from another.
#[derive(PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

/// A key as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// `kid` of its tokens.
    pub key_id: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it is for now.
    pub stage: KeyStage,
    /// From when it signs; none for the first one, which always has.
    pub from: Option<DateTime<Utc>>,
    /// Until when tokens of it are taken; none while nothing replaces it.
    pub until: Option<DateTime<Utc>>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStage {
    /// Published, and signs later.
    Next,
    /// Signs.
    Current,
    /// Signs no more; its tokens are still taken.
    Former,
    /// Its tokens are refused.
    Retired,
}

/// Why the keys were not rotated. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// A key could not be read or written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// One rotation at a time.
    #[error(
        "the key {0} is published already and waits for its time; `lunation keys list` says when"
    )]
    Waiting(String),
}

impl KeyRing {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// One of them is as [`SigningKey::load`] refuses it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let ring = RwLock::new(Arc::new(Ring::load(path)?));
        Ok(Self { path: path.to_owned(), ring })
    }

    /// One key that never changes.
    #[cfg(test)]
    pub(crate) fn of(key: SigningKey) -> Self {
        let path = PathBuf::new();
        let keys = vec![RingKey { key, path: path.clone(), from: i64::MIN }];
        Self { path, ring: RwLock::new(Arc::new(Ring { keys, seen: Vec::new() })) }
    }

    /// Reads the keys, and makes the first one if there is none.
    ///
    /// # Errors
    ///
    /// As [`SigningKey::load_or_create`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        SigningKey::load_or_create(path)?;
        Self::load(path)
    }

    /// The key that signs now.
    pub(crate) fn signing(&self, now: DateTime<Utc>) -> SigningKey {
        let ring = self.ring();
        ring.keys[ring.current(now)].key.clone()
    }

    /// The public halves of all keys whose tokens are taken, or soon will be.
    pub(crate) fn published(&self, now: DateTime<Utc>) -> JwkSet {
        let ring = self.ring();
        let first = ring.first_published(now);
        let keys = ring.keys[first..].iter().flat_map(|key| key.key.key_set().keys);
        JwkSet { keys: keys.collect() }
    }

    /// Sees changes while the process runs.
    pub(crate) fn child(self: &Arc<Self>) -> Child {
        let ring = Arc::clone(self);
        background::child("signing key files", move |stop| {
            let ring = Arc::clone(&ring);
            async move {
                stop.run_until_cancelled(ring.keep_fresh()).await;
                LoopResult::Ok(())
            }
        })
    }

    async fn keep_fresh(self: Arc<Self>) {
        let mut was_said = false;
        loop {
            time::sleep(LOOK_EVERY).await;
            let ring = Arc::clone(&self);
            match task::spawn_blocking(move || ring.look_again()).await {
                Ok(Ok(changed)) => {
                    if changed {
                        tracing::info!("the signing keys changed");
                    }
                    was_said = false;
                }
                // The keys that are known go on; said once.
                Ok(Err(error)) if !was_said => {
                    tracing::error!(%error, "the signing keys cannot be read again");
                    was_said = true;
                }
                Ok(Err(_)) => {}
                Err(_panic) => tracing::error!("reading the signing keys panicked"),
            }
        }
    }

    /// Reads the keys again if their files changed, and says whether they had.
    fn look_again(&self) -> Result<bool, KeyError> {
        if seen(&self.path)? == self.ring().seen {
            return Ok(false);
        }
        let ring = Arc::new(Ring::load(&self.path)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(true)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn load(path: &Path) -> Result<Self, KeyError> {
        let seen = seen(path)?;
        let base = RingKey { key: SigningKey::load(path)?, path: path.to_owned(), from: i64::MIN };
        let mut keys = vec![base];
        for path in seen.iter().map(|seen| &seen.path) {
            if let Some(from) = activation_of(&keys[0].path, path) {
                keys.push(RingKey { key: SigningKey::load(path)?, path: path.clone(), from });
            }
        }
        keys.sort_by_key(|key| key.from);
        Ok(Self { keys, seen })
    }

    /// The place of the key that signs now.
    fn current(&self, now: DateTime<Utc>) -> usize {
        self.keys.iter().rposition(|key| key.from <= now.timestamp()).unwrap_or_default()
    }

    /// The place of the oldest key whose tokens are taken.
    fn first_published(&self, now: DateTime<Utc>) -> usize {
        let is_over = |place: usize| {
            let successor = self.keys.get(place + 1);
            successor.is_some_and(|successor| until(successor.from) <= now.timestamp())
        };
        (0..self.keys.len()).find(|place| !is_over(*place)).unwrap_or_default()
    }

    /// Takes away the files of the keys before a place. At every instant the configured file holds
    /// a key, and the keys from that place on are all there.
    fn drop_before(&self, place: usize) -> Result<(), KeyError> {
        if place == 0 {
            return Ok(());
        }
        let base = &self.keys[0].path;
        for key in &self.keys[1..place] {
            fs::remove_file(&key.path).map_err(|source| failed(&key.path, source))?;
        }
        fs::rename(&self.keys[place].path, base).map_err(|source| failed(base, source))
    }
}

/// Makes the next key, which signs from `after` from now on; and takes away those whose tokens are
/// refused. Running processes see it.
///
/// # Errors
///
/// A key waits already; or the files cannot be read or written.
pub fn rotate(path: &Path, now: DateTime<Utc>, after: Duration) -> Result<KeyState, RotateError> {
    let ring = Ring::load(path)?;
    if let Some(waiting) = ring.keys[ring.current(now)..].get(1) {
        return Err(RotateError::Waiting(waiting.key.key_id().to_owned()));
    }
    ring.drop_before(ring.first_published(now))?;
    let after = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let from = now.timestamp().saturating_add(after);
    let next = sibling(path, from);
    let key = SigningKey::create_beside(path, &next)?;
    Ok(KeyState {
        key_id: key.key_id().to_owned(),
        path: next,
        stage: if after == 0 { KeyStage::Current } else { KeyStage::Next },
        from: DateTime::from_timestamp(from, 0),
        until: None,
    })
}

/// Takes away every key that signs no more, at once: tokens of it are refused from now on. For keys
/// that somebody else may have.
///
/// # Errors
///
/// The files cannot be read or written.
pub fn retire(path: &Path, now: DateTime<Utc>) -> Result<usize, KeyError> {
    let ring = Ring::load(path)?;
    let current = ring.current(now);
    ring.drop_before(current)?;
    Ok(current)
}

/// The keys as they are.
///
/// # Errors
///
/// The files cannot be read.
pub fn list(path: &Path, now: DateTime<Utc>) -> Result<Vec<KeyState>, KeyError> {
    let ring = Ring::load(path)?;
    let (current, first) = (ring.current(now), ring.first_published(now));
    let state = |(place, key): (usize, &RingKey)| KeyState {
        key_id: key.key.key_id().to_owned(),
        path: key.path.clone(),
        stage: match place {
            _ if place > current => KeyStage::Next,
            _ if place == current => KeyStage::Current,
            _ if place >= first => KeyStage::Former,
            _ => KeyStage::Retired,
        },
        from: DateTime::from_timestamp(key.from, 0).filter(|_| place > 0),
        until: ring.keys.get(place + 1).and_then(|it| DateTime::from_timestamp(until(it.from), 0)),
    };
    Ok(ring.keys.iter().enumerate().map(state).collect())
}

/// Until when tokens of the key are taken that another one replaced at `replaced`.
fn until(replaced: i64) -> i64 {
    let kept = limits::ACCESS_TOKEN_TTL_MAX + limits::TOKEN_LEEWAY + KEEP_MARGIN;
    replaced.saturating_add(i64::try_from(kept.as_secs()).unwrap_or(i64::MAX))
}

/// The file of a key that signs from a time on.
fn sibling(base: &Path, from: i64) -> PathBuf {
    let mut name = base.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{from}"));
    if let Some(extension) = base.extension() {
        name.push(".");
        name.push(extension);
    }
    base.with_file_name(name)
}

/// From when the key of a file signs, if it is a sibling of the configured one.
fn activation_of(base: &Path, path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix(base.file_stem()?.to_str()?)?.strip_prefix('.')?;
    let digits = match base.extension().and_then(OsStr::to_str) {
        Some(extension) => rest.strip_suffix(extension)?.strip_suffix('.')?,
        None => rest,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The files of the ring, in the order of their names.
fn seen(base: &Path) -> Result<Vec<Seen>, KeyError> {
    let directory = match base.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut paths = vec![base.to_owned()];
    for entry in fs::read_dir(directory).map_err(|source| failed(directory, source))? {
        let path = entry.map_err(|source| failed(directory, source))?.path();
        if activation_of(base, &path).is_some() {
            paths.push(path);
        }
    }
    if paths.len() > KEYS_MAX {
        let many = io::Error::other(format!("more than {KEYS_MAX} signing keys"));
        return Err(failed(directory, many));
    }
    paths.sort_unstable();
    let of_file = |path: PathBuf| match fs::metadata(&path) {
        Ok(file) => Ok(Seen { length: file.len(), modified: file.modified().ok(), path }),
        Err(source) => Err(failed(&path, source)),
    };
    paths.into_iter().map(of_file).collect()
}

fn failed(path: &Path, source: io::Error) -> KeyError {
    KeyError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
