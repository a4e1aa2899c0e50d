//! The key that access tokens are signed with: an Ed25519 key in a PKCS#8 PEM file that only its
//! owner can read.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use ed25519_dalek::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use secrecy::zeroize::Zeroizing;

/// The largest file that is read as a key, in bytes; a real one has 119.
const FILE_LENGTH_MAX: u64 = 16 * 1024;
/// What group and others must not have. A group may read: secrets that are mounted into containers
/// are often 0440.
const MODE_OF_OTHERS: u32 = 0o037;

/// A private key with its public half. It is never printed.
#[derive(Clone)]
pub struct SigningKey(Arc<Keys>);

struct Keys {
    private: EncodingKey,
    public: Jwk,
    key_id: String,
}

/// Why there is no signing key. The texts are for the operator who starts the process.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("the signing key file {path}: {source}")]
    File {
        /// Where the file is, or should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may use the file.
    #[error("the signing key file {path} is open to others than its owner: run `chmod 600` on it")]
    TooOpen {
        /// Where the file is.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("the signing key file {path} holds no Ed25519 key in PKCS#8 PEM")]
    Malformed {
        /// Where the file is.
        path: PathBuf,
    },
}

impl SigningKey {
    /// Reads the key from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is open to others than its owner, or holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let malformed = || KeyError::Malformed { path: path.to_owned() };
        // Everything is asked of the open file, so that nobody can exchange it in between.
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > FILE_LENGTH_MAX {
            return Err(malformed());
        }
        if metadata.permissions().mode() & MODE_OF_OTHERS != 0 {
            return Err(KeyError::TooOpen { path: path.to_owned() });
        }
        let mut content = Zeroizing::new(Vec::new());
        file.read_to_end(&mut content).map_err(failed)?;
        let pem = std::str::from_utf8(&content).map_err(|_| malformed())?;
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| malformed())?;
        Self::from_seed(key.as_bytes()).ok_or_else(malformed)
    }

    /// Reads the key from a file, and makes one first if there is none. Of several processes that
    /// do so at the same time all end up with the same key.
    ///
    /// # Errors
    ///
    /// As [`SigningKey::load`], or the file cannot be written.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path, None)
                    .map_err(|source| KeyError::File { path: path.to_owned(), source })?;
                tracing::info!("made a new signing key");
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// Makes a fresh key in a file that is not there yet, for the same owner as that of another key.
    pub(crate) fn create_beside(other: &Path, path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let owner = fs::metadata(other).map_err(failed)?;
        create(path, Some(&owner)).map_err(failed)?;
        Self::load(path)
    }

    /// `kid`: the thumbprint of the public key (RFC 7638, RFC 8037 §2).
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// The public half, as a key set (RFC 7517).
    pub(crate) fn key_set(&self) -> JwkSet {
        JwkSet { keys: vec![self.0.public.clone()] }
    }

    /// The private half, for the one who signs.
    pub(crate) fn private(&self) -> &EncodingKey {
        &self.0.private
    }

    fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let der = version_1(seed).to_pkcs8_der().ok()?;
        let private = EncodingKey::from_ed_der(der.as_bytes());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::EdDSA).ok()?;
        let key_id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_id = Some(key_id.clone());
        Some(Self(Arc::new(Keys { private, public, key_id })))
    }
}

/// The key without its public half, which is version 1 of the format: what `openssl genpkey`
/// writes, and the one of the two versions that everybody reads.
fn version_1(seed: &[u8; 32]) -> KeypairBytes {
    KeypairBytes { secret_key: *seed, public_key: None }
}

/// Writes a fresh key so that at every instant there is either no file or a whole one.
fn create(path: &Path, owner: Option<&Metadata>) -> io::Result<()> {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    let pem = version_1(&seed).to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = directory.join(format!(".signing-key-{:016x}.tmp", rand::random::<u64>()));
    let written = write_and_publish(pem.as_bytes(), owner, &temporary, path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "could not remove a temporary key file");
        }
        _ => {}
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write_and_publish(
    pem: &[u8],
    owner: Option<&Metadata>,
    temporary: &Path,
    path: &Path,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(pem)?;
    let mine = file.metadata()?;
    if let Some(owner) = owner
        && (owner.uid(), owner.gid()) != (mine.uid(), mine.gid())
    {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()?;
    // A link and not a rename: a rename would take the place of a key that another process has
    // made in the meantime and may have signed with.
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{os::unix::fs::PermissionsExt, thread};

    use serde_json::json;

    use super::*;

    /// The private key of RFC 8037 appendix A.1.
    const RFC_8037_SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];

    pub(crate) fn rfc_8037_key() -> SigningKey {
        install_provider();
        SigningKey::from_seed(&RFC_8037_SEED).unwrap()
    }

    pub(crate) fn install_provider() {
        let _installed_by_another_test =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_published_key_is_that_of_rfc_8037() {
        let key = rfc_8037_key();
        assert_eq!(
            serde_json::to_value(key.key_set()).unwrap(),
            json!({"keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "use": "sig",
                "alg": "EdDSA",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            }]})
        );
        assert_eq!(key.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        install_provider();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-key.pem");
        let made = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(SigningKey::load_or_create(&path).unwrap().key_id(), made.key_id());
        assert_eq!(SigningKey::load(&path).unwrap().key_id(), made.key_id());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn all_who_start_at_once_have_the_same_key() {
        install_provider();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-key.pem");
        let ids: Vec<String> = thread::scope(|scope| {
            let starts: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| SigningKey::load_or_create(&path).unwrap().key_id().to_owned())
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_not_replaced() {
        install_provider();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-key.pem");
        SigningKey::load_or_create(&path).unwrap();
        let content = fs::read(&path).unwrap();
        for open in [0o604, 0o620, 0o610, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            for refused in [SigningKey::load(&path), SigningKey::load_or_create(&path)] {
                assert!(matches!(refused, Err(KeyError::TooOpen { .. })), "{open:o}");
            }
        }
        assert_eq!(fs::read(&path).unwrap(), content);
        for closed in [0o400, 0o440, 0o640] {
            fs::set_permissions(&path, fs::Permissions::from_mode(closed)).unwrap();
            assert!(SigningKey::load(&path).is_ok(), "{closed:o}");
        }
    }

    #[test]
    fn anything_else_is_no_key_and_is_not_replaced() {
        install_provider();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-key.pem");
        assert!(matches!(SigningKey::load(&path), Err(KeyError::File { .. })));
        for content in
            ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let refused = SigningKey::load_or_create(&path);
            assert!(matches!(refused, Err(KeyError::Malformed { .. })), "{content:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert!(matches!(SigningKey::load(directory.path()), Err(KeyError::Malformed { .. })));
    }

    #[test]
    fn a_key_made_by_openssl_is_read() {
        install_provider();
        // The seed of RFC 8037 in the form that `openssl genpkey -algorithm ed25519` writes.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(SigningKey::load(&path).unwrap().key_id(), rfc_8037_key().key_id());
    }
}
