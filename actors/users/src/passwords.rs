//! Password hashing: argon2id, off the async threads, at most one per core at a time, one core less
//! while people who are signed in are answered, and a short queue behind them. What does not fit is
//! refused at once.

use std::{fmt, num::NonZero, thread, time::Instant};

use actor_runtime::presence;
use argon2::{
    Algorithm, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash,
    password_hash::phc::{Output, ParamsString, Salt},
};
use contracts::{Refusal, users::Password};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task, time,
};

use crate::{argon2id::Argon2id, hashers::Hashers, policy};

/// Most requests that wait for a hasher.
const QUEUE_MAX: usize = 32;
/// How many passwords were hashed, to keep or to compare them: one for each proof of who one is,
/// whether there is such an account or not.
const HASHES: &str = "lunation_password_hashes_total";
/// Length of the salt of the hash that nobody's password has, in bytes: that of the real ones.
const SALT_LENGTH: usize = argon2::RECOMMENDED_SALT_LEN;
/// Length of its output, in bytes: that of the real ones.
const OUTPUT_LENGTH: usize = Params::DEFAULT_OUTPUT_LEN;

/// What a new password hash costs (RFC 9106). The floor is the configuration's business.
#[derive(Clone, Debug)]
pub struct Argon2Parameters {
    params: Params,
    nobodys: StoredHash,
}

impl Argon2Parameters {
    /// Memory in KiB, passes, and lanes.
    ///
    /// # Errors
    ///
    /// The algorithm has no such parameters.
    pub fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, InvalidArgon2Parameters> {
        let params = Params::new(memory_kib, iterations, parallelism, Some(OUTPUT_LENGTH))
            .map_err(|_| InvalidArgon2Parameters)?;
        let nobodys = nobodys_hash(&params).map_err(|_| InvalidArgon2Parameters)?;
        Ok(Self { params, nobodys })
    }
}

/// Argon2id has no such parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argon2id has no such parameters (RFC 9106 §3.1)")]
pub struct InvalidArgon2Parameters;

/// Hashes and verifies passwords.
pub(crate) struct Passwords {
    argon2: Argon2id,
    /// What new hashes cost.
    params: Params,
    /// A hash that no password has, of the cost of a real one.
    nobodys: StoredHash,
    hashers: Hashers,
    places: Semaphore,
}

/// A PHC string. It is no secret of the first order, but it has no business in a log.
#[derive(Clone)]
pub(crate) struct StoredHash(String);

/// Leave to hash and verify; given back when it is dropped.
pub(crate) struct Place<'a> {
    passwords: &'a Passwords,
    _permit: SemaphorePermit<'a>,
}

impl Passwords {
    /// Hashers for the cores of this machine.
    pub(crate) fn new(Argon2Parameters { params, nobodys }: Argon2Parameters) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            argon2: Argon2id::new(params.clone()),
            params,
            nobodys,
            hashers: Hashers::new(cores, presence::lasts_until),
            places: Semaphore::new(cores + QUEUE_MAX),
        }
    }

    /// Takes a place in the queue. It comes before the first look into the database, so that a
    /// storm of sign-ins costs the database nothing either.
    ///
    /// # Errors
    ///
    /// `Overloaded`: certainly not carried out.
    pub(crate) fn reserve(&self) -> Result<Place<'_>, Refusal> {
        let permit = self.places.try_acquire().map_err(|_| Refusal::overloaded())?;
        Ok(Place { passwords: self, _permit: permit })
    }

    /// Whether a hash was made with other parameters than a new one would be.
    pub(crate) fn is_outdated(&self, StoredHash(hash): &StoredHash) -> bool {
        // One that cannot be read is no password's, and stays to be looked at.
        let Ok(hash) = PasswordHash::new(hash) else { return false };
        Params::try_from(&hash).is_ok_and(|params| cost_of(&params) != cost_of(&self.params))
    }

    /// Runs on a thread of its own once a core is free. The core stays taken until the work is
    /// done, even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> password_hash::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let hasher = time::timeout_at(deadline.into(), self.hashers.acquire()).await;
        let Ok(Ok(hasher)) = hasher else { return Err(Refusal::overloaded()) };
        let worked = task::spawn_blocking(move || {
            let begun = Instant::now();
            let result = work();
            hasher.rest(begun.elapsed());
            result
        });
        match worked.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                tracing::error!(%error, "password hashing failed");
                Err(Refusal::internal())
            }
            Err(_panic_or_shutdown) => {
                tracing::error!("password hashing was cut short");
                Err(Refusal::internal())
            }
        }
    }
}

impl Place<'_> {
    /// Something else that takes a core for a while.
    ///
    /// # Errors
    ///
    /// `Overloaded` if no core became free before the deadline.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.passwords.run(deadline, move || Ok(work())).await
    }

    /// The hash of a new password, with a fresh salt.
    ///
    /// # Errors
    ///
    /// `Overloaded` if no core became free before the deadline.
    pub(crate) async fn hash(
        &self,
        deadline: Instant,
        password: Password,
    ) -> Result<StoredHash, Refusal> {
        let argon2 = self.passwords.argon2.clone();
        let password = policy::normalised(password);
        metrics::counter!(HASHES).increment(1);
        self.passwords
            .run(deadline, move || {
                let hash = argon2.hash_password(password.expose().as_bytes())?;
                Ok(StoredHash(hash.to_string()))
            })
            .await
    }

    /// Whether the password is the one that was hashed. Without a hash, because there is no such
    /// account, it takes the same time and is not.
    ///
    /// # Errors
    ///
    /// `Overloaded` if no core became free before the deadline; `Internal` if the hash is none.
    pub(crate) async fn verify(
        &self,
        deadline: Instant,
        password: Password,
        stored: Option<StoredHash>,
    ) -> Result<bool, Refusal> {
        let argon2 = self.passwords.argon2.clone();
        let password = policy::normalised(password);
        let exists = stored.is_some();
        metrics::counter!(HASHES).increment(1);
        let StoredHash(hash) = stored.unwrap_or_else(|| self.passwords.nobodys.clone());
        self.passwords
            .run(deadline, move || {
                let hash = PasswordHash::new(&hash)?;
                match argon2.verify_password(password.expose().as_bytes(), &hash) {
                    Ok(()) => Ok(exists),
                    Err(password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await
    }
}

impl StoredHash {
    /// Wraps a PHC string from the database.
    pub(crate) fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the database.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoredHash(…)")
    }
}

/// Memory, passes, lanes, and the length of the output.
fn cost_of(params: &Params) -> (u32, u32, u32, Option<usize>) {
    (params.m_cost(), params.t_cost(), params.p_cost(), params.output_len())
}

/// A hash with a random output: verifying against it costs what a real one costs, and no password
/// is known to have it.
fn nobodys_hash(params: &Params) -> password_hash::Result<StoredHash> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(Salt::new(&rand::random::<[u8; SALT_LENGTH]>())?),
        hash: Some(Output::new(&rand::random::<[u8; OUTPUT_LENGTH]>())?),
    };
    Ok(StoredHash(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contracts::ErrorKind;

    use super::*;

    fn cheap() -> Passwords {
        Passwords::new(Argon2Parameters::new(64, 1, 1).unwrap())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_the_one_that_was_hashed() {
        let passwords = cheap();
        let place = passwords.reserve().unwrap();
        let hash = place.hash(soon(), password("correct horse")).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", hash.as_str());
        let again = place.hash(soon(), password("correct horse")).await.unwrap();
        assert_ne!(hash.as_str(), again.as_str(), "each hash has a salt of its own");
        for (text, right) in
            [("correct horse", true), ("correct horsf", false), ("correct horse ", false)]
        {
            let verified = place.verify(soon(), password(text), Some(hash.clone())).await;
            assert_eq!(verified, Ok(right), "{text}");
        }
    }

    #[tokio::test]
    async fn spellings_that_look_alike_are_one_password() {
        let passwords = cheap();
        let place = passwords.reserve().unwrap();
        let hash = place.hash(soon(), password("caf\u{e9} noir")).await.unwrap();
        let decomposed = place.verify(soon(), password("cafe\u{301} noir"), Some(hash)).await;
        assert_eq!(decomposed, Ok(true));
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let (old, new) = (cheap(), Passwords::new(Argon2Parameters::new(128, 1, 1).unwrap()));
        let hash = old.reserve().unwrap().hash(soon(), password("anything")).await.unwrap();
        assert!(!old.is_outdated(&hash) && new.is_outdated(&hash));
        let again = new.reserve().unwrap().hash(soon(), password("anything")).await.unwrap();
        assert!(!new.is_outdated(&again) && old.is_outdated(&again));
    }

    #[tokio::test]
    async fn nobody_has_nobodys_password_and_its_hash_costs_the_same() {
        let passwords = cheap();
        let place = passwords.reserve().unwrap();
        assert_eq!(place.verify(soon(), password("anything"), None).await, Ok(false));
        let real = place.hash(soon(), password("anything")).await.unwrap();
        let shape = |hash: &StoredHash| {
            let parts: Vec<&str> = hash.as_str().split('$').collect();
            let [_, algorithm, version, params, salt, output] = parts[..] else { panic!("PHC") };
            (format!("{algorithm} {version} {params}"), salt.len(), output.len())
        };
        assert_eq!(shape(&passwords.nobodys), shape(&real));
    }

    #[tokio::test]
    async fn a_broken_hash_is_our_fault_and_not_a_wrong_password() {
        let passwords = cheap();
        let place = passwords.reserve().unwrap();
        let broken = Some(StoredHash::new("$argon2id$v=19$broken".to_owned()));
        let refusal = place.verify(soon(), password("anything"), broken).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Internal);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_places_come_back() {
        let passwords = cheap();
        let cores = thread::available_parallelism().unwrap().get();
        let places: Vec<_> = (0..cores + QUEUE_MAX).map(|_| passwords.reserve().unwrap()).collect();
        assert_eq!(passwords.reserve().err().unwrap().kind, ErrorKind::Overloaded);
        drop(places);
        assert!(passwords.reserve().is_ok());
    }

    #[test]
    fn impossible_parameters_are_refused() {
        for (memory_kib, iterations, parallelism) in [(1, 1, 1), (64, 0, 1), (64, 1, 0)] {
            let parameters = Argon2Parameters::new(memory_kib, iterations, parallelism);
            assert_eq!(parameters.err(), Some(InvalidArgon2Parameters));
        }
        assert!(Argon2Parameters::new(19_456, 2, 1).is_ok());
    }
}
