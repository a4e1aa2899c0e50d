//! Planted texts, and the search for them where they must not be.
//!
//! Whoever the harness registers has the mark in the name and in what the client calls itself, an
//! address at `example.org` and one password; tokens begin alike. [`App::finish`](super::App) looks for
//! all of it in what the processes have printed, in their metrics, in every file beside the databases,
//! and in the whole store of the broker; [`hold_refusal`] in each refusal as it comes.

use std::{ffi::OsStr, path::Path, process::Command};

use serde_json::Value;

use super::client::{Answer, PASSWORD};

/// Stands in texts that tests plant, and nowhere else.
pub(crate) const MARK: &str = "canary";
/// How each access token begins: the head `{"typ":"at+jwt",…`.
pub(crate) const ACCESS_TOKEN: &str = "eyJ0eXAiOiJhdCtqd3Qi";

/// What betrays a text of somebody's. The second one is the mark of `bad_input`.
const NEEDLES: [&str; 6] = [MARK, "zq7mark", PASSWORD, "@example.org", ACCESS_TOKEN, "lunr_"];
/// The other secrets that the product makes: API tokens, tokens of links, with enough of what follows
/// that no random bytes look like one.
const SECRETS: &str = "lunp?_[A-Za-z0-9_-]{43}";

/// What a text holds of it, with a little of what follows.
pub(crate) fn in_text(text: &str) -> Option<String> {
    let at = NEEDLES.iter().filter_map(|needle| text.find(needle)).min()?;
    Some(text[at..].chars().take(60).collect())
}

/// What the files below these directories hold of it, each with its path. What is below a directory
/// called `except` may hold it.
pub(crate) fn in_files(directories: &[&Path], except: &str) -> Vec<String> {
    let alternatives = NEEDLES.map(|needle| needle.replace('.', "\\.")).join("|");
    matches(&format!("({alternatives}|{SECRETS}).{{0,60}}"), directories, Some(except))
}

/// Each match of an extended regular expression in the bytes of files, as `path:match`.
pub(crate) fn matches<P: AsRef<OsStr>>(
    pattern: &str,
    places: &[P],
    except: Option<&str>,
) -> Vec<String> {
    let mut grep = Command::new("grep");
    // Bytes, not characters: most of these files are no text.
    grep.env("LC_ALL", "C").args(["-r", "-a", "-o", "-H", "-E", "-e", pattern]);
    if let Some(name) = except {
        grep.arg(format!("--exclude-dir={name}"));
    }
    let output = grep.args(places).output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "grep: {failed}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Fails the test if a refusal repeats what somebody sent. The path, the id and the names of members
/// of the request are what it is about.
#[track_caller]
pub(crate) fn hold_refusal(what: &str, answer: &Answer) {
    if answer.status.as_u16() < 400 {
        return;
    }
    let mut problem = answer.body.clone();
    if let Some(members) = problem.as_object_mut() {
        members.remove("instance");
        members.remove("request_id");
    }
    for error in problem["errors"].as_array_mut().into_iter().flatten() {
        error.as_object_mut().map(|members| members.remove("pointer"));
    }
    let body = if problem == Value::Null { answer.text.clone() } else { problem.to_string() };
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let values = headers.filter_map(|(_, value)| value.to_str().ok());
    let found = in_text(&body).or_else(|| values.into_iter().find_map(in_text));
    assert!(found.is_none(), "{what}: {} repeats {found:?}", answer.status);
}

#[test]
fn planted_texts_are_found_among_any_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let secret = contracts::Secret::from_random(contracts::Secret::RESET_TOKEN, &[7; 32]);
    let texts = [MARK, PASSWORD, "a@example.org", ACCESS_TOKEN, "lunr_x", secret.expose()];
    for (nth, text) in texts.iter().enumerate() {
        let below = directory.path().join(format!("deep{nth}/down"));
        std::fs::create_dir_all(&below).unwrap();
        let bytes = [&b"\x00\xff\n"[..], text.as_bytes(), b"\xfe\x00"].concat();
        std::fs::write(below.join("file"), bytes).unwrap();
        let root = [directory.path()];
        let found = in_files(&root, "elsewhere");
        assert_eq!(found.len(), nth + 1, "{text}: {found:?}");
    }
    std::fs::write(directory.path().join("innocent"), b"lun_x lunation pass124").unwrap();
    assert_eq!(in_files(&[directory.path()], "elsewhere").len(), texts.len());
    assert_eq!(in_files(&[directory.path()], "down"), Vec::<String>::new());
    assert_eq!(in_text("to ada@example.org, and more").as_deref(), Some("@example.org, and more"));
    assert_eq!(in_text("to somebody"), None);
}
