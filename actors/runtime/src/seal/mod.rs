//! Sealing: values that can be read only with a key that is in no database (XChaCha20-Poly1305).
//!
//! Two levels. A [`DataKey`] seals the values of one user and lies, wrapped, in the database beside
//! them. A [`KeyRing`] holds the keys that data keys are wrapped under; it comes from outside the
//! database ([`KeySource`]). Whoever has nothing to gain from a key per user seals under the ring
//! itself ([`KeyRing::seal`]).
//!
//! A sealed value is bound to the [`Place`] where it stands, so that nobody who can write to the
//! database can put one user's value into another one's row. It has the format
//! `1 ‖ nonce (24) ‖ ciphertext ‖ tag (16)`, and under the ring `1 ‖ key id (8) ‖ nonce ‖ …`. Nonces
//! are random: with 192 bits two never meet.
//!
//! Nothing here has a `Debug`, and no error holds a value. Keys and opened values are wiped from
//! memory when they are dropped; what a caller makes of an opened value is not.

mod ring;
mod source;
#[cfg(test)]
mod tests;

pub use ring::{KeyId, KeyRing, RingError};
pub use source::{KeySource, create_key_file, fresh_key};

use chacha20poly1305::{
    AeadInOut, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Tag, inout::InOutBuf},
};
use contracts::UserId;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The first byte of everything that is sealed.
const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;
/// A data key makes every value as long as the next multiple of this, so that the length does not
/// tell which of a few short words was written.
const PADDED_TO: usize = 32;
/// Where the padding begins (ISO/IEC 7816-4); zeros follow.
const PADDING: u8 = 0x80;

/// A key of 256 bits.
type KeyBytes = Zeroizing<[u8; 32]>;

/// Where a sealed value stands. It can be opened there and nowhere else.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// Whose it is.
    pub user_id: UserId,
    /// What names the row among the user's.
    pub row: &'a [u8],
}

/// Why something cannot be sealed or opened. The texts hold no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Changed since, made with another key, or made for another place.
    #[error("it was not sealed with this key for this place")]
    Broken,
    /// Nothing that was ever written here.
    #[error("it is in no known format")]
    Malformed,
    /// It was sealed under a key that this process was not given.
    #[error("it is sealed under the key {0}, which is not known here")]
    UnknownKey(KeyId),
    /// Longer than the cipher takes.
    #[error("it is too long to be sealed")]
    TooLong,
}

/// The key of one user's values.
#[derive(Clone)]
pub struct DataKey(KeyBytes);

impl DataKey {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// Seals a value for a place. Its length is hidden up to the next multiple of 32 bytes.
    ///
    /// # Errors
    ///
    /// It is too long.
    pub fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal_with(place, value, rand::random())
    }

    fn seal_with(
        &self,
        place: &Place<'_>,
        value: &[u8],
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, SealError> {
        let padded = (value.len() + 1).next_multiple_of(PADDED_TO);
        // All that comes is reserved, so that no copy of the value is left where it grew out of.
        let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + padded + TAG_LENGTH);
        sealed.push(FORMAT);
        let start = begin(&mut sealed, &nonce);
        sealed.extend_from_slice(value);
        sealed.push(PADDING);
        sealed.resize(start + padded, 0);
        finish(&self.0, &nonce, &place.associated(b"value"), sealed, start)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    ///
    /// It was not, or not with this key.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let rest = sealed.strip_prefix(&[FORMAT]).ok_or(SealError::Malformed)?;
        let mut value = open(&self.0, &place.associated(b"value"), rest)?;
        let end = value.iter().rposition(|byte| *byte != 0).ok_or(SealError::Malformed)?;
        if value.get(end) != Some(&PADDING) {
            return Err(SealError::Malformed);
        }
        value.truncate(end);
        Ok(value)
    }

    /// A fingerprint that only who has the key can make, where a plain hash would let anybody try
    /// every value that it could be of (HMAC-SHA-256). `purpose` keeps two uses apart.
    ///
    /// # Errors
    ///
    /// None: the key has a length that fits.
    pub fn fingerprint(&self, purpose: &str, of: &[u8]) -> Result<[u8; 32], SealError> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice());
        let mut mac = mac.map_err(|_| SealError::Malformed)?;
        mac.update(b"lunation fingerprint v1\0");
        mac.update(&length(purpose.as_bytes()));
        mac.update(purpose.as_bytes());
        mac.update(of);
        Ok(mac.finalize().into_bytes().into())
    }
}

impl Place<'_> {
    /// What a sealed value is bound to. Each part has its length before it, so that no two places
    /// have the same.
    fn associated(&self, level: &[u8]) -> Vec<u8> {
        let Self { table, column, user_id, row } = self;
        let mut bytes = b"lunation sealed v1\0".to_vec();
        for part in [level, table.as_bytes(), column.as_bytes(), row] {
            bytes.extend_from_slice(&length(part));
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&user_id.get().to_be_bytes());
        bytes
    }
}

/// Appends the nonce; what is to be sealed follows from where this says.
fn begin(sealed: &mut Vec<u8>, nonce: &[u8; NONCE_LENGTH]) -> usize {
    sealed.extend_from_slice(nonce);
    sealed.len()
}

/// Encrypts the bytes from `start` on where they are, and appends the tag.
fn finish(
    key: &KeyBytes,
    nonce: &[u8; NONCE_LENGTH],
    associated: &[u8],
    mut sealed: Vec<u8>,
    start: usize,
) -> Result<Vec<u8>, SealError> {
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let buffer = InOutBuf::from(sealed.get_mut(start..).unwrap_or_default());
    let tag = cipher.encrypt_inout_detached(&XNonce::from(*nonce), associated, buffer);
    sealed.extend_from_slice(&tag.map_err(|_| SealError::TooLong)?);
    Ok(sealed)
}

/// Opens `nonce ‖ ciphertext ‖ tag`.
fn open(key: &KeyBytes, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::Malformed)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LENGTH>().ok_or(SealError::Malformed)?;
    let mut value = Zeroizing::new(ciphertext.to_vec());
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let tag = Tag::<XChaCha20Poly1305>::from(*tag);
    let buffer = InOutBuf::from(value.as_mut_slice());
    cipher
        .decrypt_inout_detached(&XNonce::from(*nonce), associated, buffer, &tag)
        .map_err(|_| SealError::Broken)?;
    Ok(value)
}

/// The length of a part, always in eight bytes.
fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}
