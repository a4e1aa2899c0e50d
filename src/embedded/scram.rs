//! What Postgres keeps of a password (RFC 5803), computed here: no password is ever sent to a
//! server, so none can reach its log.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Repetition makes guessing dear where people choose passwords. Ours are 256 random bits, which
/// nobody guesses, and Postgres' default of 4096 rounds would be paid by every new connection.
const ITERATIONS: u32 = 1;

/// The verifier of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677), with a fresh salt.
pub(super) fn verifier(password: &SecretString) -> Result<String> {
    let salt = rand::random::<[u8; 16]>();
    let block_number = 1_u32.to_be_bytes();
    // Hi() of RFC 5802 with a single round.
    let salted = hmac(password.expose_secret().as_bytes(), &[&salt, &block_number])?;
    let client_key = hmac(&salted, &[b"Client Key"])?;
    let server_key = hmac(&salted, &[b"Server Key"])?;
    let [salt, stored_key, server_key] =
        [salt.as_slice(), &Sha256::digest(client_key), &server_key].map(encode);
    Ok(format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored_key}:{server_key}"))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
