//! Argon2id (RFC 9106) whose working memory goes back to the system after every hash.
//!
//! The library's own allocation of 19 MiB is below the size up to which glibc keeps what was freed
//! (`M_MMAP_THRESHOLD`, which grows with use to 32 MiB, mallopt(3)), and it keeps it for each
//! thread that ever hashed: thirty sign-ins left over 100 MiB behind in an idle process.

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{
        self, CustomizedPasswordHasher, PasswordHasher,
        phc::{Output, ParamsString, Salt},
    },
};

/// Above every allocation that glibc does not give back at once, in blocks of 1 KiB. What is not
/// written to costs no memory.
const CAPACITY_MIN: usize = 33 * 1024;

/// The algorithm with the parameters of new hashes.
#[derive(Clone)]
pub(crate) struct Argon2id(Params);

impl Argon2id {
    /// New hashes get these parameters; one that is verified brings its own.
    pub(crate) fn new(params: Params) -> Self {
        Self(params)
    }
}

impl PasswordHasher<PasswordHash> for Argon2id {
    fn hash_password_with_salt(
        &self,
        password: &[u8],
        salt: &[u8],
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = Algorithm::Argon2id.ident();
        let version = Version::V0x13.into();
        self.hash_password_customized(
            password,
            salt,
            Some(algorithm.as_str()),
            Some(version),
            self.0.clone(),
        )
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map_or(Ok(Algorithm::Argon2id), Algorithm::try_from)?;
        let version = version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let mut buffer = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = buffer.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        let mut blocks = Vec::with_capacity(params.block_count().max(CAPACITY_MIN));
        blocks.resize(params.block_count(), Block::new());
        Argon2::new(algorithm, version, params.clone())
            .hash_password_into_with_memory(password, salt, output, blocks)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(output)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, PasswordVerifier};

    use super::*;

    #[test]
    fn hashes_are_those_of_the_library() {
        let params = Params::new(64, 2, 1, Some(32)).unwrap();
        let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let ours = Argon2id::new(params);
        let salt = [7; argon2::RECOMMENDED_SALT_LEN];
        let hash = ours.hash_password_with_salt(b"correct horse", &salt).unwrap();
        let same: PasswordHash = library.hash_password_with_salt(b"correct horse", &salt).unwrap();
        assert_eq!(hash.to_string(), same.to_string());
        assert!(library.verify_password(b"correct horse", &hash).is_ok());
        // A stored hash brings its own parameters.
        let dearer = Argon2id::new(Params::new(128, 1, 2, Some(32)).unwrap());
        assert!(dearer.verify_password(b"correct horse", &hash).is_ok());
        assert!(dearer.verify_password(b"correct hors", &hash).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_goes_back_to_the_system() {
        let resident_kib = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
            let number = line.split_ascii_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap()
        };
        let memory_kib = 19 * 1024;
        let ours = Argon2id::new(Params::new(memory_kib, 1, 1, Some(32)).unwrap());
        let before = resident_kib();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..3 {
                        ours.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap();
                    }
                });
            }
        });
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < u64::from(memory_kib) / 4, "{grown} KiB were kept");
    }
}
