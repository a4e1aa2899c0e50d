//! Values that cannot be, as JSON text, for each kind of member.

use super::MARK;

/// Stand in the sound rest of every bad registration, so that they are free ever after.
pub(super) const FREE_EMAIL: &str = "free-ever-after@example.org";
pub(super) const FREE_USERNAME: &str = "free-ever-after";

/// What is expected of the answer to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// 422, blaming the member.
    Member,
    /// 400: the text is no JSON, or no JSON that is taken.
    Json,
}

/// What a member is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Date,
    Email,
    /// One line of so many characters.
    Line(usize, usize),
    /// Several lines of at most so many characters.
    Lines(usize),
    /// A whole number in a range.
    Whole(i64, i64),
    Flag,
}

/// The values of a kind that are refused, null aside.
pub(super) fn of(kind: Kind) -> Vec<(String, Refused)> {
    let mut values = match kind {
        Kind::Date => dates(),
        Kind::Email => emails(),
        Kind::Line(shortest, longest) => lines(shortest, longest),
        Kind::Lines(longest) => {
            let mut values =
                controls(&["\\u0000", "\\r", "\\u000b", "\\u001b[31m", "\\u007f", "\\u0085"]);
            values.push(quoted(&MARK.chars().cycle().take(longest + 1).collect::<String>()));
            values.push(quoted(&"é".repeat(longest + 1)));
            values
        }
        Kind::Whole(least, most) => whole_numbers(least, most),
        Kind::Flag => {
            [&quoted("true"), &quoted(""), "0", "1", "-1", "1.5"].map(str::to_owned).to_vec()
        }
    };
    let others = match kind {
        Kind::Whole(..) => vec!["true", "[]", "{}", "[1]"],
        Kind::Flag => vec!["[]", "{}", "[true]"],
        _ => vec![
            "1",
            "0",
            "-1",
            "1.5",
            "true",
            "[]",
            "{}",
            "[\"2024-01-12\"]",
            "9223372036854775808",
        ],
    };
    values.extend(others.into_iter().map(str::to_owned));
    let mut all: Vec<_> = values.into_iter().map(|value| (value, Refused::Member)).collect();
    all.extend(no_json().into_iter().map(|value| (value, Refused::Json)));
    all
}

/// In the place of any value.
fn no_json() -> Vec<String> {
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let very_deep = format!("{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let mut values = vec![deep, very_deep];
    values.extend(
        [
            "",
            "1e400",
            "-1e400",
            "NaN",
            "Infinity",
            "undefined",
            "01",
            "+1",
            ".5",
            "0x10",
            "'a'",
            "\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\x41\"",
            "\"a\u{0}b\"",
            "\"a\nb\"",
            "[1,]",
            "{\"a\":1,\"a\":2}",
        ]
        .map(str::to_owned),
    );
    values
}

fn dates() -> Vec<String> {
    let malformed = [
        "",
        " ",
        "0000-00-00",
        "2024-02-30",
        "2023-02-29",
        "1900-02-29",
        "2024-00-10",
        "2024-13-01",
        "2024-04-31",
        "2024-01-00",
        "2024-01-32",
        "10000-01-01",
        "infinity",
        "-infinity",
        "now",
        "today",
        "epoch",
        "2024-1-1",
        "24-01-01",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00",
        " 2024-01-01",
        "2024-01-01 ",
        "2024/01/01",
        "01-01-2024",
        "20240101",
        "2024-W01-1",
        "2024-001",
        "+2024-01-01",
        "-2024-01-01",
        "02024-01-01",
        "٢٠٢٤-٠١-٠١",
        "2024‐01‐01",
        "1704067200",
        "2024-01-01\\u0000",
        "\\u00002024-01-01",
        "2024-01-01\\n",
        "2024-01-01' OR '1'='1",
        "2024-01-01; DROP TABLE cycle",
        "null",
        "zq7mark",
    ];
    // Of the calendar, and yet before 1900 or in the future.
    let impossible = ["1899-12-31", "0001-01-01", "9999-12-31", "2999-01-01"];
    malformed.into_iter().chain(impossible).map(quoted).collect()
}

fn emails() -> Vec<String> {
    let mut values = controls(&["\\u0000", "\\n", "\\t", "\\u001b", "\\u007f", "\\u0085"]);
    values.extend(
        [
            "",
            " ",
            "@",
            "a",
            "zq7mark",
            "zq7mark@",
            "@zq7mark",
            "zq7mark@b@c",
            "zq7mark @b.c",
            "zq7mark@b .c",
            " zq7mark@b.c",
            "zq7mark@b.c ",
            "zq7mark@@b.c",
            "zq7mark@b\\u2028.c",
            "zq7mark@\\u00a0",
            "zq7mark@b.c\\u0000",
            "zq7mark@b.c\\r\\nBcc: x@y.z",
        ]
        .map(quoted),
    );
    values.push(quoted(&format!("{MARK}@{}", "b".repeat(255 - MARK.len() - 1))));
    values.push(quoted(&format!("{}@b.c", "é".repeat(251))));
    values
}

fn lines(shortest: usize, longest: usize) -> Vec<String> {
    let mut values =
        controls(&["\\u0000", "\\n", "\\r", "\\t", "\\u001b[31m", "\\u007f", "\\u0085", "\\u0008"]);
    for length in [shortest - 1, longest + 1] {
        values.push(quoted(&MARK.chars().cycle().take(length).collect::<String>()));
        values.push(quoted(&"é".repeat(length)));
        values.push(quoted(&"😖".repeat(length)));
    }
    values.push(quoted(&"a".repeat(20_000)));
    values
}

fn whole_numbers(least: i64, most: i64) -> Vec<String> {
    let mut values: Vec<String> = [
        "1.5",
        "-1",
        "1e-1",
        "1e19",
        "1e300",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
        "4.000000001",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push((least - 1).to_string());
    values.extend(most.checked_add(1).map(|above| above.to_string()));
    values.extend(["1", "", "zq7mark", "1 OR 1=1"].map(quoted));
    values
}

/// A control character amid a text that is otherwise good, in each place.
fn controls(escapes: &[&str]) -> Vec<String> {
    let around =
        |escape: &&str| [quoted(&format!("{MARK}{escape}xx")), quoted(&format!("{escape}xxxxxxx"))];
    escapes.iter().flat_map(around).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
