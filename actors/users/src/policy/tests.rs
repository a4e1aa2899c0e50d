use std::collections::BTreeSet;

use super::*;

const ADA: Bearer<'static> =
    Bearer { email: "ada.lovelace@test.com", username: "countess", has_second_factor: false };

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

/// What is said of a password, if it is refused.
fn verdict(policy: PasswordPolicy, text: &str, bearer: &Bearer<'_>) -> Option<String> {
    let refusal = policy.check("/password", &password(text), bearer).err()?;
    // The pointer names the member, which happens to be a password too.
    let repeated = text != "password" && format!("{refusal:?}").contains(text);
    assert!(!repeated, "{text} is repeated");
    let [error] = refusal.errors.as_slice() else { panic!("{refusal:?}") };
    assert_eq!(error.pointer, "/password");
    Some(error.detail.clone().into_owned())
}

#[test]
fn lengths_are_code_points_of_the_profile() {
    let factor = Bearer { has_second_factor: true, ..ADA };
    for (policy, bearer, length, holds) in [
        (PasswordPolicy::DEVELOPMENT, &ADA, 6, false),
        (PasswordPolicy::DEVELOPMENT, &ADA, 7, true),
        (PasswordPolicy::STRICT, &ADA, 14, false),
        (PasswordPolicy::STRICT, &ADA, 15, true),
        (PasswordPolicy::STRICT, &ADA, 256, true),
        (PasswordPolicy::STRICT, &ADA, 257, false),
        (PasswordPolicy::STRICT, &factor, 7, false),
        (PasswordPolicy::STRICT, &factor, 8, true),
    ] {
        // Each of them one code point and four bytes, and none of them common.
        let text: String = (0..length).filter_map(|n| char::from_u32(0x1f300 + n * 7)).collect();
        let found = policy.check_length("/password", &password(&text), bearer.has_second_factor);
        assert_eq!(found.is_none(), holds, "{length}");
    }
    // Two code points that are one letter count once, as they are hashed.
    let text = "e\u{301}".repeat(14);
    assert!(PasswordPolicy::STRICT.check_length("/password", &password(&text), false).is_some());
}

#[test]
fn spellings_that_look_alike_are_one_password() {
    assert_eq!(normalised(password("Ame\u{301}lie")).expose(), "Am\u{e9}lie");
    assert_eq!(normalised(password("Am\u{e9}lie")).expose(), "Am\u{e9}lie");
    // Compatibility forms are not the same password: nothing of what was typed is lost.
    assert_eq!(normalised(password("\u{fb01}")).expose(), "\u{fb01}");
    assert_eq!(normalised(password(" pass ")).expose(), " pass ");
}

/// All of them long enough.
const COMMON: [&str; 50] = [
    "aaaaaaaaaaaaaaa",
    "111111111111111",
    "000000000000000000",
    "123456789012345",
    "0987654321098765",
    "abcdefghijklmnop",
    "zyxwvutsrqponml",
    "abcabcabcabcabc",
    "abcd1234abcd1234",
    "passwordpassword",
    "password12345678",
    "Password123!Password123!",
    "P@ssw0rdP@ssw0rd",
    "drowssapdrowssap",
    "qwertyuiopasdfgh",
    "qwertyuiopasdfghjkl",
    "zxcvbnmasdfghjkl",
    "mnbvcxzlkjhgfdsa",
    "1qaz2wsx3edc4rfv",
    "1q2w3e4r5t6y7u8i",
    "q1w2e3r4t5y6u7i8o9p0",
    "qazwsxedcrfvtgb",
    "asdfghjklasdfghjkl",
    "iloveyouiloveyou",
    "iloveyou12345678",
    "letmeinletmeinletmein",
    "letmein12345678",
    "welcome123welcome123",
    "administrator123",
    "changemechangeme",
    "Summer2024Summer2024",
    "princessprincess1",
    "dragondragondragon",
    "monkeymonkeymonkey",
    "football football",
    "sunshine sunshine",
    "trustno1trustno1",
    "starwarsstarwars",
    "harrypotterharrypotter",
    "testtesttesttest",
    "correct horse battery staple",
    "Correct-Horse-Battery-Staple!",
    "The quick brown fox jumps over the lazy dog",
    "To be, or not to be, that is the question",
    "My voice is my passport. Verify me.",
    "a long and unusual sentence",
    "thisismypassword",
    "lunationlunation",
    "lunation-password",
    "My Period-Tracker",
];

#[test]
fn what_is_guessed_first_is_refused_and_told_why() {
    for text in COMMON {
        let said = verdict(PasswordPolicy::STRICT, text, &ADA);
        assert!(said.is_some_and(|said| said.contains("guessed first")), "{text}");
        assert_eq!(verdict(PasswordPolicy::DEVELOPMENT, text, &ADA), None, "{text}");
    }
}

#[test]
fn so_is_what_is_made_from_the_person() {
    for text in [
        "countesscountess",
        "lovelacelovelace",
        "ada.lovelace123",
        "Countess1Countess1",
        "lovelace-countess",
    ] {
        assert!(verdict(PasswordPolicy::STRICT, text, &ADA).is_some(), "{text}");
    }
    let somebody = Bearer { email: "x@y.z", username: "somebody", has_second_factor: false };
    assert!(verdict(PasswordPolicy::STRICT, "nimbus lovelace pylon", &somebody).is_none());
}

#[test]
fn others_are_taken_whatever_they_are_made_of() {
    for text in [
        "gather seven lanterns",
        "gatherseventinlanterns",
        "GATHER SEVEN TIN LANTERNS",
        "ox8#fhq.w0wjskqpe",
        "vier kleine Nilpferde",
        "七つのランタンを集めて川へ行く人",
        "84 1 7735 92 6044 18",
        "🦔🌋🧵🪴🚲🎻🧊🥁🪁🛶🍋🧲🪵🦩🧭",
    ] {
        assert_eq!(verdict(PasswordPolicy::STRICT, text, &ADA), None, "{text}");
    }
    let factor = Bearer { has_second_factor: true, ..ADA };
    assert_eq!(verdict(PasswordPolicy::STRICT, "kR7#vaQ2", &factor), None);
    for text in ["password", "sunshine", "12345678", "qwertyui", "countess", "lunation"] {
        assert!(verdict(PasswordPolicy::STRICT, text, &factor).is_some(), "{text}");
    }
}

/// What people choose, whatever is asked of them.
const WORDS: &str = "
    password iloveyou princess sunshine football baseball superman michael jessica ashley
    charlie jordan michelle daniel letmein welcome monkey dragon master shadow flower freedom
    computer whatever qwerty qwertyuiop asdfghjkl trustno1 starwars batman summer winter
    internet samantha pokemon chocolate butterfly liverpool chelsea arsenal jennifer thomas
    robert hannah amanda nicole andrew joshua matthew anthony purple orange cookie banana cheese
    pepper ginger tigger snoopy diamond secret admin login access hello hunter killer soccer
    hockey ranger
";

/// What they put behind it when it has to be longer.
const TAILS: &str = "
    123456789 1234567890 12345678 87654321 11111111 00000000 123123123 987654321 0123456789
    111222333 abcdefgh abc123abc qwertyui asdfghjk zxcvbnm1 password password1 iloveyou
";

/// The passwords that people choose when 15 characters are asked for: what they always chose, twice,
/// or with a row of digits behind it.
#[test]
fn more_than_three_thousand_that_are_long_enough_are_refused() {
    let mut refused = BTreeSet::new();
    for word in WORDS.split_whitespace() {
        let mut capital = word.to_owned();
        capital.get_mut(..1).unwrap().make_ascii_uppercase();
        let leet = word.replace('a', "@").replace('e', "3").replace('o', "0");
        for word in [word, &capital, &leet] {
            let ends = TAILS.split_whitespace().map(|tail| format!("{word}{tail}"));
            for text in ends.chain([word.repeat(2), word.repeat(3), word.repeat(4)]) {
                if text.len() >= limits::PASSWORD_LENGTH_MIN && refused.insert(text.clone()) {
                    assert!(is_guessable(&text, &ADA), "{text}");
                }
            }
        }
    }
    assert!(refused.len() > 3_000, "{}", refused.len());
}
