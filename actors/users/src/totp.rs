//! The second factor: time-based one-time codes (RFC 6238), and recovery codes for the day on which
//! the authenticator app is lost.

use chrono::{DateTime, Utc};
use contracts::{Refusal, UserId, users::Password};
use sha2::{Digest, Sha256};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Length of a shared secret in bytes: 160 bits, as many as HMAC-SHA-1 gives (RFC 4226 §4, R6).
const SECRET_LENGTH: usize = 20;
/// Digits of a code, and seconds for which it counts: what every app knows.
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// Steps by which a clock may be off, either way (RFC 6238 §5.2).
const SKEW_STEPS: u16 = 1;
/// What an app shows above the code.
const ISSUER: &str = "Lunation";

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// Characters of one: 80 random bits.
const RECOVERY_CODE_LENGTH: usize = 16;
const GROUP_LENGTH: usize = 4;
/// The alphabet of Crockford's Base32: none of its characters is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A shared secret as it is drawn.
pub(crate) fn fresh_secret() -> Zeroizing<[u8; SECRET_LENGTH]> {
    Zeroizing::new(rand::random())
}

/// What an authenticator app does, done here.
pub(crate) struct Authenticator(Totp);

impl Authenticator {
    /// With a shared secret; the account is what an app shows beside the code.
    ///
    /// # Errors
    ///
    /// The secret is none: a fault of ours.
    pub(crate) fn new(secret: &[u8], account: &str) -> Result<Self, Refusal> {
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_SECONDS)
            .with_skew(SKEW_STEPS)
            .with_secret(secret)
            .with_issuer(Some(ISSUER))
            // A colon would end the issuer.
            .with_account_name(account.replace(':', "_"))
            .build();
        totp.map(Self).map_err(|_error| {
            tracing::error!("a shared secret is none");
            Refusal::internal()
        })
    }

    /// The time step that a code is of, if it is the code of this one or of one beside it.
    pub(crate) fn step_of(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let seconds = u64::try_from(now.timestamp()).ok()?;
        let is_code = code.len() == usize::from(DIGITS) && code.bytes().all(|b| b.is_ascii_digit());
        let step = if is_code { self.0.check(code, seconds) } else { None };
        step.and_then(|step| i64::try_from(step).ok())
    }

    /// The shared secret to be typed in.
    pub(crate) fn base32(&self) -> String {
        self.0.secret().to_base32()
    }

    /// The same as a URI, to be shown as a QR code.
    ///
    /// # Errors
    ///
    /// The account's name has no place in a URI.
    pub(crate) fn uri(&self) -> Result<String, Refusal> {
        self.0.to_url().map_err(|_error| {
            tracing::error!("an authenticator has no URI");
            Refusal::internal()
        })
    }
}

/// Fresh recovery codes.
pub(crate) fn fresh_recovery_codes() -> Vec<Password> {
    let fresh = || {
        let random = Zeroizing::new(rand::random::<[u8; RECOVERY_CODE_LENGTH]>());
        let mut code = String::with_capacity(RECOVERY_CODE_LENGTH / GROUP_LENGTH * 5);
        for (place, byte) in random.iter().enumerate() {
            if place > 0 && place % GROUP_LENGTH == 0 {
                code.push('-');
            }
            // 256 is a multiple of 32, so that no character comes more often than another.
            code.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Password::new(code)
    };
    std::iter::repeat_with(fresh).take(RECOVERY_CODES).collect()
}

/// What is kept of a recovery code. A plain hash is enough: nobody tries 2⁸⁰ of them.
pub(crate) fn recovery_code_hash(user_id: UserId, code: &Password) -> [u8; 32] {
    let typed = code.expose().chars().filter(|character| !matches!(character, '-' | ' '));
    let meant: Zeroizing<String> = Zeroizing::new(
        typed
            .map(|character| match character.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect(),
    );
    let digest = Sha256::new()
        .chain_update(b"lunation recovery code v1\0")
        .chain_update(user_id.get().to_be_bytes())
        .chain_update(meant.as_bytes());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 6238, appendix B, SHA-1: its codes have eight digits, ours are the last six of them.
    #[test]
    fn codes_are_those_of_the_standard() {
        let authenticator = Authenticator::new(b"12345678901234567890", "ada@test.com").unwrap();
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let ours = &code[2..];
            assert_eq!(authenticator.step_of(ours, at(seconds)), Some(seconds / 30), "{seconds}");
            // A clock may be off by a step, and not by two.
            let step = Some(seconds / 30);
            assert_eq!(authenticator.step_of(ours, at(seconds + 30)), step);
            assert_eq!(authenticator.step_of(ours, at(seconds - 30)), step);
            assert_eq!(authenticator.step_of(ours, at(seconds + 60)), None);
            if seconds >= 90 {
                assert_eq!(authenticator.step_of(ours, at(seconds - 60)), None);
            }
            assert_eq!(authenticator.step_of(code, at(seconds)), None, "eight digits");
        }
        for code in ["", "28708", "2870822", "28708２", " 287082", "287 082", "abcdef", "-87082"] {
            assert_eq!(authenticator.step_of(code, at(59)), None, "{code}");
        }
    }

    #[test]
    fn an_app_is_told_what_it_needs() {
        let authenticator = Authenticator::new(b"12345678901234567890", "a:da+x@test.com").unwrap();
        assert_eq!(authenticator.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = authenticator.uri().unwrap();
        assert!(uri.starts_with("otpauth://totp/Lunation:a_da%2Bx%40test.com?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert!(uri.contains("issuer=Lunation"), "{uri}");
        assert_ne!(fresh_secret(), fresh_secret());
    }

    #[test]
    fn recovery_codes_are_all_different_and_can_be_typed() {
        let codes = fresh_recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let distinct: BTreeSet<&str> = codes.iter().map(Password::expose).collect();
        assert_eq!(distinct.len(), RECOVERY_CODES);
        for code in distinct {
            let groups: Vec<&str> = code.split('-').collect();
            assert_eq!(groups.len(), 4, "{code}");
            assert!(groups.iter().all(|group| group.len() == 4), "{code}");
        }
        let user = UserId::new(7);
        let hash = |text: &str| recovery_code_hash(user, &Password::new(text.to_owned()));
        let code = hash("0123-4567-89ab-cdef");
        for typed in ["0123456789abcdef", "OI23 4567 89AB CDEF", "o l23-4567-89ab-cdef"] {
            assert_eq!(hash(typed), code, "{typed}");
        }
        assert_ne!(hash("0123-4567-89ab-cdeg"), code);
        let other = recovery_code_hash(UserId::new(8), &Password::new("0123456789abcdef".into()));
        assert_ne!(other, code, "nobody else's");
    }
}
