//! Opaque secrets that we make: refresh tokens and personal API tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many characters of base64url are random: 256 bits.
const RANDOM_LENGTH: usize = 43;
/// How many characters are a checksum of what is before them: 32 bits.
const CHECKSUM_LENGTH: usize = 6;
/// The alphabet of base64url (RFC 4648 §5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An opaque secret on its way; `Debug` hides it. It is a prefix that says what it is for, 256
/// random bits, and a checksum: a typing error, or what somebody made up, is known without asking
/// anybody, and a scanner of published files knows it for a secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The prefix of personal API tokens.
    pub const API_TOKEN: &'static str = "lun_";
    /// The prefix of refresh tokens.
    pub const REFRESH_TOKEN: &'static str = "lunr_";
    /// The prefix of the tokens of links by which a new password can be set.
    pub const RESET_TOKEN: &'static str = "lunp_";

    /// Wraps what somebody sent. Whether it is good is for others to say.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// A secret of a kind from 256 random bits.
    pub fn from_random(prefix: &str, random: &[u8; 32]) -> Self {
        let mut text = prefix.to_owned();
        push_base64url(&mut text, random);
        let checksum = crc32(text.as_bytes()).to_be_bytes();
        push_base64url(&mut text, &checksum);
        Self(text)
    }

    /// Whether this could be a secret of a kind: right prefix, length and checksum.
    pub fn is_well_formed(&self, prefix: &str) -> bool {
        let Self(text) = self;
        let length = prefix.len() + RANDOM_LENGTH + CHECKSUM_LENGTH;
        if text.len() != length || !text.starts_with(prefix) || !text.is_ascii() {
            return false;
        }
        let (body, checksum) = text.split_at(length - CHECKSUM_LENGTH);
        let mut expected = String::with_capacity(CHECKSUM_LENGTH);
        push_base64url(&mut expected, &crc32(body.as_bytes()).to_be_bytes());
        checksum == expected
    }

    /// The secret itself: for the one who hashes it or hands it to its owner, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Base64url without padding (RFC 4648 §5).
fn push_base64url(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            let digit = usize::try_from(word >> shift & 63).unwrap_or_default();
            text.push(char::from(ALPHABET[digit]));
        }
    }
}

/// CRC-32 as in IEEE 802.3 §3.2.9: it finds mistakes, and protects nothing.
fn crc32(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0xedb8_8320;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| {
            crc >> 1 ^ (REVERSED_POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_and_the_alphabet_are_those_of_their_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let mut written = String::new();
            push_base64url(&mut written, bytes.as_bytes());
            assert_eq!(written, text);
        }
    }

    #[test]
    fn a_secret_is_known_by_its_form() {
        let secret = Secret::from_random(Secret::API_TOKEN, &[7; 32]);
        assert_eq!(secret.expose().len(), 4 + 43 + 6);
        assert!(secret.is_well_formed(Secret::API_TOKEN));
        assert!(!secret.is_well_formed(Secret::REFRESH_TOKEN));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for at in 0..secret.expose().len() {
            let mut text = secret.expose().to_owned();
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            text.replace_range(at..=at, other);
            assert!(!Secret::new(text).is_well_formed(Secret::API_TOKEN), "{at}");
        }
        for text in ["", "lun_", "lun_x", &"ü".repeat(53), &format!("{}=", secret.expose())] {
            assert!(!Secret::new((*text).to_owned()).is_well_formed(Secret::API_TOKEN), "{text}");
        }
    }
}
