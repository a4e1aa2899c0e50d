use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::*;
use crate::keys::tests::install_provider;

/// A directory with a first key.
fn ring() -> (TempDir, PathBuf) {
    install_provider();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signing-key.pem");
    SigningKey::load_or_create(&path).unwrap();
    (directory, path)
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn published(ring: &KeyRing, now: DateTime<Utc>) -> Vec<String> {
    let keys = ring.published(now).keys.into_iter();
    keys.filter_map(|key| key.common.key_id).collect()
}

fn stages(path: &Path, now: DateTime<Utc>) -> Vec<KeyStage> {
    list(path, now).unwrap().into_iter().map(|key| key.stage).collect()
}

fn files(directory: &TempDir) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_key_is_published_before_it_signs_and_until_its_last_token_is_out() {
    use KeyStage::{Current, Former, Next, Retired};
    let (directory, path) = ring();
    let first = SigningKey::load(&path).unwrap().key_id().to_owned();
    let second = rotate(&path, at(0), Duration::from_mins(15)).unwrap();
    assert_eq!((second.stage, second.from), (Next, Some(at(900))));
    let ring = KeyRing::load(&path).unwrap();
    let both = [first.clone(), second.key_id.clone()];
    for (seconds, signs, published_then, stages_then) in [
        (0, &first, &both[..], [Current, Next]),
        (899, &first, &both[..], [Current, Next]),
        (900, &second.key_id, &both[..], [Former, Current]),
        // 10 minutes for the tokens, 5 seconds of leeway, a minute.
        (900 + 664, &second.key_id, &both[..], [Former, Current]),
        (900 + 665, &second.key_id, &both[1..], [Retired, Current]),
    ] {
        assert_eq!(ring.signing(at(seconds)).key_id(), signs, "{seconds}");
        assert_eq!(published(&ring, at(seconds)), published_then, "{seconds}");
        assert_eq!(stages(&path, at(seconds)), stages_then, "{seconds}");
    }
    // The next rotation takes the first key away: the second lies where it lay.
    let third = rotate(&path, at(2_000), Duration::from_mins(15)).unwrap();
    assert_eq!(files(&directory), 2);
    assert_eq!(SigningKey::load(&path).unwrap().key_id(), second.key_id);
    assert_eq!(ring.look_again().ok(), Some(true));
    assert_eq!(published(&ring, at(2_000)), [second.key_id, third.key_id]);
    assert_eq!(ring.look_again().ok(), Some(false));
}

#[test]
fn one_rotation_at_a_time() {
    let (directory, path) = ring();
    let next = rotate(&path, at(0), Duration::from_mins(15)).unwrap();
    let again = rotate(&path, at(899), Duration::from_mins(15));
    assert!(matches!(again, Err(RotateError::Waiting(key)) if key == next.key_id));
    assert_eq!(files(&directory), 2);
    assert!(rotate(&path, at(900), Duration::from_mins(15)).is_ok());
    assert_eq!(stages(&path, at(900)), [KeyStage::Former, KeyStage::Current, KeyStage::Next]);
}

#[test]
fn keys_that_are_not_safe_go_at_once_and_the_waiting_one_stays() {
    let (directory, path) = ring();
    let second = rotate(&path, at(0), Duration::ZERO).unwrap();
    let third = rotate(&path, at(1), Duration::ZERO).unwrap();
    let fourth = rotate(&path, at(2), Duration::from_mins(15)).unwrap();
    let ring = KeyRing::load(&path).unwrap();
    assert_eq!(published(&ring, at(2)).len(), 4);
    assert_eq!(retire(&path, at(2)).unwrap(), 2);
    assert!(ring.look_again().unwrap());
    assert_eq!(published(&ring, at(2)), [third.key_id.clone(), fourth.key_id]);
    assert_eq!(ring.signing(at(2)).key_id(), third.key_id);
    assert_ne!(second.key_id, third.key_id);
    assert_eq!(files(&directory), 2);
    assert_eq!(retire(&path, at(2)).unwrap(), 0, "there is nothing more to take away");
}

#[test]
fn only_siblings_with_a_time_are_keys() {
    let named = |base: &str, name: &str| activation_of(Path::new(base), Path::new(name));
    assert_eq!(named("/k/key.pem", "/k/key.1790000000.pem"), Some(1_790_000_000));
    assert_eq!(named("/run/secrets/key", "/run/secrets/key.1790000000"), Some(1_790_000_000));
    for name in [
        "key.pem",
        "key..pem",
        "key.pem.1790000000",
        "key.-1.pem",
        "key.1e9.pem",
        "key.1790000000.pem.bak",
        "key.99999999999999999999.pem",
        "other.1790000000.pem",
    ] {
        assert_eq!(named("/k/key.pem", &format!("/k/{name}")), None, "{name}");
    }
    for base in ["/k/key.pem", "/k/key", "/k/a.b.pem"] {
        let base = Path::new(base);
        assert_eq!(activation_of(base, &sibling(base, 1_790_000_000)), Some(1_790_000_000));
    }
}

#[test]
fn a_key_that_cannot_be_read_leaves_the_known_ones() {
    let (_directory, path) = ring();
    let ring = KeyRing::load(&path).unwrap();
    fs::write(sibling(&path, 1_790_000_000), "nonsense").unwrap();
    assert!(ring.look_again().is_err());
    assert_eq!(published(&ring, at(0)).len(), 1);
    assert!(KeyRing::load(&path).is_err(), "nobody starts with it");
}
