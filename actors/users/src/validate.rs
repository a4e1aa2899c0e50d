//! What an account may look like. Pure functions over values.
//!
//! - E-mail: exactly one `@` with something on both sides, no white space, no control characters,
//!   at most 254 characters. That holds every address of RFC 5321 (`addr-spec` of RFC 5322 without
//!   quoted strings, comments and folding) and of RFC 6531; whether anybody reads it only its mail
//!   server knows.
//! - User name: 3 to 80 characters, any of Unicode but control characters.
//! - Names: 1 to 100 characters, any but control characters.
//! - Both e-mail and user name are unique without regard to case (Unicode's lower case). They are
//!   not normalised further: two spellings that differ in composition are two.
//! - Date of birth: from 1900 to the day that is today somewhere on Earth.
//! - Password: its length in code points; `policy` has the rest.

use std::borrow::Cow;

use chrono::NaiveDate;
use contracts::{
    FieldError, Patch, Refusal, Scope, limits,
    users::{CreateApiToken, Register, UpdateProfile},
};

use crate::policy::PasswordPolicy;

/// Checks everything about a new account that can be known without the database.
pub(crate) fn registration(
    request: &Register,
    policy: PasswordPolicy,
    latest_today: NaiveDate,
) -> Result<(), Refusal> {
    let Register { email, username, password, first_name, last_name, date_of_birth } = request;
    let mut problems = Problems::default();
    problems.check("/email", is_email(email), || {
        format!("must be an e-mail address of at most {} characters", limits::EMAIL_LENGTH_MAX)
            .into()
    });
    problems.check_line(
        "/username",
        username,
        limits::USERNAME_LENGTH_MIN,
        limits::USERNAME_LENGTH_MAX,
    );
    problems.0.extend(policy.check_length("/password", password, false));
    problems.check_profile(
        first_name.as_deref(),
        last_name.as_deref(),
        *date_of_birth,
        latest_today,
    );
    problems.into_result()
}

/// Checks the members of a profile that are to be set.
pub(crate) fn profile(update: &UpdateProfile, latest_today: NaiveDate) -> Result<(), Refusal> {
    let UpdateProfile { user_id: _, first_name, last_name, date_of_birth } = update;
    let mut problems = Problems::default();
    problems.check_profile(
        set_value(first_name).map(String::as_str),
        set_value(last_name).map(String::as_str),
        set_value(date_of_birth).copied(),
        latest_today,
    );
    problems.into_result()
}

/// Whether the text could be an e-mail address.
pub(crate) fn is_email(text: &str) -> bool {
    let sane = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@')
    };
    text.chars().count() <= limits::EMAIL_LENGTH_MAX
        && text.split_once('@').is_some_and(|(local, domain)| sane(local) && sane(domain))
}

/// Checks an API token that is to be made.
pub(crate) fn api_token(request: &CreateApiToken) -> Result<(), Refusal> {
    let CreateApiToken { user_id: _, name, scopes, expires_in_days } = request;
    let mut problems = Problems::default();
    problems.check_line("/name", name, 1, limits::LABEL_LENGTH_MAX);
    let delegable = !scopes.is_empty() && !scopes.allow(Scope::Account);
    problems.check("/scopes", delegable, || "must be scopes that an API token can have".into());
    let days = 1..=limits::API_TOKEN_DAYS_MAX;
    problems.check("/expires_in_days", days.contains(expires_in_days), || {
        format!("must be from 1 to {}", limits::API_TOKEN_DAYS_MAX).into()
    });
    problems.into_result()
}

/// What a client calls itself, as it is shown to the one who signed in: without control characters,
/// and no longer than a name is.
pub(crate) fn label(text: &str) -> Option<String> {
    let sane = text.chars().filter(|c| !c.is_control()).take(limits::LABEL_LENGTH_MAX);
    let sane: String = sane.collect();
    let sane = sane.trim();
    (!sane.is_empty()).then(|| sane.to_owned())
}

/// What two e-mail addresses or user names that differ only in case have in common.
pub(crate) fn key_of(text: &str) -> String {
    text.to_lowercase()
}

fn set_value<T>(patch: &Patch<T>) -> Option<&T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}

/// Every problem of a request, so that a person can mend them all at once.
#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn check(
        &mut self,
        pointer: &'static str,
        holds: bool,
        detail: impl FnOnce() -> Cow<'static, str>,
    ) {
        if !holds {
            self.0.push(FieldError { pointer: pointer.into(), detail: detail() });
        }
    }

    fn check_line(&mut self, pointer: &'static str, text: &str, min: usize, max: usize) {
        let length = text.chars().count();
        let holds = (min..=max).contains(&length) && !text.chars().any(char::is_control);
        self.check(pointer, holds, || {
            format!("must have {min} to {max} characters, none of them a control character").into()
        });
    }

    fn check_profile(
        &mut self,
        first_name: Option<&str>,
        last_name: Option<&str>,
        date_of_birth: Option<NaiveDate>,
        latest_today: NaiveDate,
    ) {
        for (pointer, name) in [("/first_name", first_name), ("/last_name", last_name)] {
            if let Some(name) = name {
                self.check_line(pointer, name, 1, limits::NAME_LENGTH_MAX);
            }
        }
        let possible =
            date_of_birth.is_none_or(|date| (limits::DATE_MIN..=latest_today).contains(&date));
        self.check("/date_of_birth", possible, || "must be a date from 1900-01-01 to today".into());
    }

    fn into_result(self) -> Result<(), Refusal> {
        let mut problems = self.0.into_iter();
        let Some(FieldError { pointer, detail }) = problems.next() else { return Ok(()) };
        let mut refusal = Refusal::invalid(pointer, detail);
        refusal.errors.extend(problems);
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use contracts::{UserId, users::Password};

    use super::*;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2024, 6, 15).unwrap();

    fn sound() -> Register {
        Register {
            email: "test@test.com".to_owned(),
            username: "testuser".to_owned(),
            password: Password::new("pass123".to_owned()),
            first_name: None,
            last_name: None,
            date_of_birth: None,
        }
    }

    /// The pointers at which a request is refused.
    fn pointers(checked: Result<(), Refusal>) -> Vec<String> {
        let errors = checked.err().map(|refusal| refusal.errors).unwrap_or_default();
        errors.into_iter().map(|error| error.pointer.into_owned()).collect()
    }

    fn registration_pointers(change: impl FnOnce(&mut Register)) -> Vec<String> {
        let mut request = sound();
        change(&mut request);
        pointers(registration(&request, PasswordPolicy::DEVELOPMENT, TODAY))
    }

    #[test]
    fn emails() {
        let longest = format!("a@{}", "b".repeat(252));
        for good in ["a@b", "test@test.com", "Test.User+tag@Example.COM", "ü@bücher.de", &longest]
        {
            assert!(is_email(good), "{good}");
        }
        let too_long = format!("{longest}b");
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "ab",
            "a@b@c",
            "a@@b",
            "a b@c",
            " a@b",
            "a@b ",
            "a\u{a0}@b",
            "a@b\n",
            "a\0@b",
            "a@b\u{7f}",
            "a\u{2028}@b",
            &too_long,
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert_eq!(registration_pointers(|request| request.email = "ab".to_owned()), ["/email"]);
    }

    #[test]
    fn usernames() {
        for (username, holds) in [
            ("abc".to_owned(), true),
            ("ab".to_owned(), false),
            ("æøå".to_owned(), true),
            ("😀".repeat(80), true),
            ("a".repeat(81), false),
            ("a\0bc".to_owned(), false),
            ("a\u{85}bc".to_owned(), false),
        ] {
            let found = registration_pointers(|request| request.username.clone_from(&username));
            assert_eq!(found.is_empty(), holds, "{username:?} {found:?}");
        }
    }

    #[test]
    fn dates_of_birth() {
        for (date, holds) in [
            ("1899-12-31", false),
            ("1900-01-01", true),
            ("2024-06-15", true),
            ("2024-06-16", false),
            ("+262142-12-31", false),
        ] {
            let date: NaiveDate = date.parse().unwrap();
            let found = registration_pointers(|request| request.date_of_birth = Some(date));
            assert_eq!(found.is_empty(), holds, "{date}");
        }
    }

    #[test]
    fn every_problem_is_named_and_no_value_repeated() {
        let request = Register {
            email: "secret-email".to_owned(),
            username: "\u{1}secret".to_owned(),
            password: Password::new("secret".to_owned()),
            first_name: Some("secret\u{9}".to_owned()),
            last_name: Some(String::new()),
            date_of_birth: NaiveDate::from_ymd_opt(2030, 1, 1),
        };
        let checked = registration(&request, PasswordPolicy::DEVELOPMENT, TODAY);
        let text = format!("{:?}", checked.as_ref().unwrap_err());
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(
            pointers(checked),
            ["/email", "/username", "/password", "/first_name", "/last_name", "/date_of_birth"],
        );
    }

    #[test]
    fn a_profile_is_checked_only_where_it_is_set() {
        let update = |first_name: Patch<String>, date_of_birth: Patch<NaiveDate>| UpdateProfile {
            user_id: UserId::new(1),
            first_name,
            last_name: Patch::Clear,
            date_of_birth,
        };
        assert_eq!(profile(&update(Patch::Keep, Patch::Clear), TODAY), Ok(()));
        let long = Patch::Set("a".repeat(101));
        let future = Patch::Set(NaiveDate::from_ymd_opt(2024, 6, 16).unwrap());
        assert_eq!(
            pointers(profile(&update(long, future), TODAY)),
            ["/first_name", "/date_of_birth"]
        );
    }

    #[test]
    fn keys_know_no_case() {
        assert_eq!(key_of("Test@EXAMPLE.com"), key_of("tEST@example.COM"));
        assert_eq!(key_of("ÄÖÜ"), "äöü");
    }
}
