//! Which passwords may be set.
//!
//! The profile decides (`docs/decisions/0023-passwords.md`): how long they have to be, and whether
//! those are refused that are guessed first. There is no rule about classes of characters, and none
//! that makes a password run out (NIST SP 800-63B-4 §3.1.1.2).

use std::borrow::Cow;

use contracts::{FieldError, Refusal, limits, users::Password};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zxcvbn::zxcvbn;

/// What we are called, and what people write when they want a password for this.
const CONTEXT: [&str; 8] =
    ["lunation", "lunationapp", "cycle", "period", "periods", "menstruation", "tracker", "luna"];
/// Phrases that are long and still among the first that are tried, in lower case and without what
/// is no letter or digit.
const PHRASES: &str = include_str!("policy/phrases.txt");
/// Powers of ten of the guesses that a password must resist, with nothing else in the way: as many
/// as a year of thirty a second, and what a row of nine random digits resists.
const GUESSES_LOG10_MIN: f64 = 9.0;
/// The same for an account with a second factor.
const GUESSES_LOG10_MIN_SECOND_FACTOR: f64 = 6.0;
/// Parts of an address or a name that are shorter say nothing.
const CONTEXT_LENGTH_MIN: usize = 3;

/// What is asked of a new password.
#[derive(Clone, Copy, Debug)]
pub struct PasswordPolicy {
    length_min: usize,
    length_min_second_factor: usize,
    refuses_guessable: bool,
}

/// Whom a password would be for: what stands there must not stand in it.
pub(crate) struct Bearer<'a> {
    pub(crate) email: &'a str,
    pub(crate) username: &'a str,
    pub(crate) has_second_factor: bool,
}

impl PasswordPolicy {
    /// For trying the product out, with the short password of the earlier system's examples.
    pub const DEVELOPMENT: Self = Self {
        length_min: limits::PASSWORD_LENGTH_MIN_DEVELOPMENT,
        length_min_second_factor: limits::PASSWORD_LENGTH_MIN_DEVELOPMENT,
        refuses_guessable: false,
    };

    /// For people.
    pub const STRICT: Self = Self {
        length_min: limits::PASSWORD_LENGTH_MIN,
        length_min_second_factor: limits::PASSWORD_LENGTH_MIN_SECOND_FACTOR,
        refuses_guessable: true,
    };

    /// Whether there is anything to be said about a password but its length.
    pub(crate) const fn refuses_guessable(self) -> bool {
        self.refuses_guessable
    }

    /// What is wrong with the length of a password, in code points after normalisation.
    pub(crate) fn check_length(
        self,
        pointer: &'static str,
        password: &Password,
        has_second_factor: bool,
    ) -> Option<FieldError> {
        let min = if has_second_factor { self.length_min_second_factor } else { self.length_min };
        let max = limits::PASSWORD_LENGTH_MAX;
        let length = password.expose().nfc().count();
        (!(min..=max).contains(&length)).then(|| FieldError {
            pointer: Cow::Borrowed(pointer),
            detail: format!("must have {min} to {max} characters").into(),
        })
    }

    /// Whether a password is among those that are guessed first. This is work for a thread of its
    /// own: a long one takes some ten milliseconds.
    pub(crate) fn is_guessable(self, password: &Password, bearer: &Bearer<'_>) -> bool {
        self.refuses_guessable && is_guessable(password.expose(), bearer)
    }

    /// Checks everything about a password.
    #[cfg(test)]
    pub(crate) fn check(
        self,
        pointer: &'static str,
        password: &Password,
        bearer: &Bearer<'_>,
    ) -> Result<(), Refusal> {
        if let Some(error) = self.check_length(pointer, password, bearer.has_second_factor) {
            return Err(Refusal::invalid(error.pointer, error.detail));
        }
        if self.is_guessable(password, bearer) { Err(guessable(pointer)) } else { Ok(()) }
    }
}

/// The one form of all spellings of a text that look alike (Unicode NFC): what is hashed.
pub(crate) fn normalised(password: Password) -> Password {
    if is_nfc(password.expose()) {
        return password;
    }
    Password::new(password.expose().nfc().collect())
}

/// The password would be guessed.
pub(crate) fn guessable(pointer: &'static str) -> Refusal {
    Refusal::invalid(
        pointer,
        "is among those that are guessed first: a common password or phrase, a repetition, a row \
         of keys, a date, or made from your address, your user name or our name; four unrelated \
         words are good ones",
    )
}

fn is_guessable(password: &str, bearer: &Bearer<'_>) -> bool {
    let plain = plain(password);
    if PHRASES.lines().any(|phrase| !phrase.starts_with('#') && phrase == plain) {
        return true;
    }
    let min =
        if bearer.has_second_factor { GUESSES_LOG10_MIN_SECOND_FACTOR } else { GUESSES_LOG10_MIN };
    let context = context_of(bearer);
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    zxcvbn(password, &context).guesses_log10() < min
}

/// The words that are the first guess at this very person.
fn context_of(bearer: &Bearer<'_>) -> Vec<String> {
    let Bearer { email, username, has_second_factor: _ } = bearer;
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let parts = [local, username, domain]
        .into_iter()
        .flat_map(|text| text.split(|character: char| !character.is_alphanumeric()).chain([text]));
    let words = parts.map(str::to_lowercase).chain(CONTEXT.map(str::to_owned));
    words.filter(|word| word.chars().count() >= CONTEXT_LENGTH_MIN).collect()
}

/// Letters and digits alone, in lower case.
fn plain(password: &str) -> String {
    password.to_lowercase().chars().filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests;
