use std::{fs, os::unix::fs::PermissionsExt, thread};

use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

/// 0x80 to 0x9f, in the notation of a file of keys.
const KEY_80: &str = "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=";
const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

/// Consecutive bytes.
fn bytes_from<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|index| first + u8::try_from(index).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn value_of(row: &[u8]) -> Place<'_> {
    Place { table: "symptom", column: "value", user_id: USER, row }
}

fn given(text: &str) -> Result<KeyRing, RingError> {
    KeyRing::load(KeySource::Given(SecretString::from(text)))
}

/// The one who keeps the key of a result that has no `Debug`.
fn error_of<T, E>(result: Result<T, E>) -> E {
    result.err().expect("this must be refused")
}

#[test]
fn the_cipher_is_that_of_the_draft() {
    // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    let key = Zeroizing::new(bytes_from::<32>(0x80));
    let nonce = bytes_from::<NONCE_LENGTH>(0x40);
    let associated =
        [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7].as_slice();
    let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                 the future, sunscreen would be it.";
    let sealed = finish(&key, &nonce, associated, text.to_vec(), 0).unwrap();
    assert_eq!(
        hex(&sealed),
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4\
         eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76\
         b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
    );
    let with_nonce = [nonce.as_slice(), &sealed].concat();
    assert_eq!(*open(&key, associated, &with_nonce).unwrap(), text.to_vec());
}

/// What is stored has to be opened by every later version: these were computed by another
/// implementation (the subkey by hand, RFC 8439 by OpenSSL).
#[test]
fn what_is_stored_has_this_format() {
    let ring = given(KEY_80).unwrap();
    assert_eq!(ring.ids().first().unwrap().to_string(), "43c2cee6801b0f0e");
    let key = DataKey(Zeroizing::new(bytes_from(0x20)));
    let nonce = bytes_from::<NONCE_LENGTH>(0x40);

    let place = Place { table: "data_key", column: "wrapped", user_id: USER, row: b"" };
    let wrapped = ring.seal_with(&place, key.0.as_slice(), nonce).unwrap();
    assert_eq!(
        hex(&wrapped),
        "0143c2cee6801b0f0e404142434445464748494a4b4c4d4e4f5051525354555657d12d51d77fd5d27dd33b5df8\
         da83b37a0276405d3171aadbf283cf377e6833f79d577f04a9c3a68ab7192cdf51845b19"
    );
    assert_eq!(KeyRing::id_of(&wrapped).unwrap(), *ring.ids().first().unwrap());
    assert_eq!(*ring.unwrap_key(USER, &wrapped).unwrap().0, bytes_from(0x20));

    let row = 42_i64.to_be_bytes();
    let sealed = key.seal_with(&value_of(&row), b"cramps", nonce).unwrap();
    assert_eq!(
        hex(&sealed),
        "01404142434445464748494a4b4c4d4e4f505152535455565759530cc456157ddf777eef38e463e225f955c7e3\
         d61702433481c12f8e3fc9125bec4659ddcd0ab67e9398e35d08d3e1"
    );
    assert_eq!(*key.open(&value_of(&row), &sealed).unwrap(), b"cramps");
    assert_eq!(
        hex(&key.fingerprint("request", b"body").unwrap()),
        "d619cb936e89b78987b2ba6ab4b2e3647e975c13566d137e6c7dc6a4f5bf6198"
    );
}

proptest! {
    #[test]
    fn whatever_is_sealed_is_opened_where_it_stands(
        value in prop::collection::vec(any::<u8>(), 0..600),
        row in any::<i64>(),
    ) {
        let (key, row) = (DataKey::generate(), row.to_be_bytes());
        let sealed = key.seal(&value_of(&row), &value).unwrap();
        prop_assert_eq!(sealed.len() % PADDED_TO, (1 + NONCE_LENGTH + TAG_LENGTH) % PADDED_TO);
        prop_assert!(sealed.len() <= value.len() + PADDED_TO + 1 + NONCE_LENGTH + TAG_LENGTH);
        prop_assert_eq!(&*key.open(&value_of(&row), &sealed).unwrap(), &value);
        let again = key.seal(&value_of(&row), &value).unwrap();
        prop_assert!(again != sealed, "a nonce was used twice");
        if value.len() > 8 {
            prop_assert!(!sealed.windows(value.len()).any(|window| window == value));
        }
    }

    #[test]
    fn what_was_changed_is_not_opened(
        value in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let key = DataKey::generate();
        let mut sealed = key.seal(&value_of(b"1"), &value).unwrap();
        *at.get_mut(&mut sealed) ^= change;
        prop_assert!(key.open(&value_of(b"1"), &sealed).is_err());
    }

    #[test]
    fn what_was_cut_is_not_opened(length in 0_usize..73) {
        let key = DataKey::generate();
        let sealed = key.seal(&value_of(b"1"), b"cramps").unwrap();
        prop_assert!(key.open(&value_of(b"1"), &sealed[..length]).is_err());
    }

    #[test]
    fn places_differ_wherever_their_parts_end(
        parts in prop::array::uniform2(("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}", 1_i64..3)),
    ) {
        let [one, other] = parts.clone().map(|(level, table, row, user)| {
            // A test's tables live as long as the test.
            let table: &'static str = table.leak();
            let place =
                Place { table, column: "c", user_id: UserId::new(user), row: row.as_bytes() };
            place.associated(level.as_bytes())
        });
        prop_assert_eq!(one == other, parts[0] == parts[1]);
    }
}

#[test]
fn a_value_is_opened_in_its_own_place_alone() {
    let key = DataKey::generate();
    let here = value_of(b"1");
    let sealed = key.seal(&here, b"cramps").unwrap();
    for elsewhere in [
        Place { table: "cycle", ..here },
        Place { column: "notes", ..here },
        Place { user_id: OTHER, ..here },
        Place { row: b"2", ..here },
        Place { row: b"", ..here },
    ] {
        assert_eq!(error_of(key.open(&elsewhere, &sealed)), SealError::Broken);
    }
    assert_eq!(error_of(DataKey::generate().open(&here, &sealed)), SealError::Broken);
    assert_eq!(*key.open(&here, &sealed).unwrap(), b"cramps");
    assert_eq!(error_of(key.open(&here, b"")), SealError::Malformed);
    assert_eq!(error_of(key.open(&here, &[2; 80])), SealError::Malformed);
}

#[test]
fn short_words_are_equally_long() {
    let key = DataKey::generate();
    let length = |value: &str| key.seal(&value_of(b"1"), value.as_bytes()).unwrap().len();
    assert_eq!(length(""), 73);
    assert_eq!(length("no"), length("a word of thirty-one characters"));
    assert_eq!(length("36.55") + 32, length("a word of thirty-two characters!"));
}

#[test]
fn a_fingerprint_is_of_key_purpose_and_content() {
    let (key, other) = (DataKey::generate(), DataKey::generate());
    let one = key.fingerprint("a", b"bc").unwrap();
    assert_eq!(key.fingerprint("a", b"bc").unwrap(), one);
    assert_ne!(key.fingerprint("ab", b"c").unwrap(), one);
    assert_ne!(key.fingerprint("a", b"bd").unwrap(), one);
    assert_ne!(other.fingerprint("a", b"bc").unwrap(), one);
}

#[test]
fn a_wrapped_key_is_its_users_and_a_rings_with_that_key() {
    let (old, new) = (fresh_key(), fresh_key());
    let ring = given(&old).unwrap();
    let key = DataKey::generate();
    let wrapped = ring.wrap_key(USER, &key).unwrap();
    assert_eq!(wrapped.len(), 81);
    assert_eq!(*ring.unwrap_key(USER, &wrapped).unwrap().0, *key.0);
    assert_eq!(error_of(ring.unwrap_key(OTHER, &wrapped)), SealError::Broken);

    let both = given(&format!("{}\n{}", *new, *old)).unwrap();
    assert_eq!(*both.unwrap_key(USER, &wrapped).unwrap().0, *key.0);
    let anew = both.wrap_key(USER, &key).unwrap();
    assert_eq!(KeyRing::id_of(&anew).unwrap(), both.ids()[0]);
    let unknown = SealError::UnknownKey(both.ids()[0]);
    assert_eq!(error_of(ring.unwrap_key(USER, &anew)), unknown);
    assert_eq!(*given(&new).unwrap().unwrap_key(USER, &anew).unwrap().0, *key.0);
}

#[test]
fn a_ring_seals_what_needs_no_key_per_user() {
    let ring = given(&fresh_key()).unwrap();
    let place = Place { table: "second_factor", column: "seed", user_id: USER, row: b"" };
    let sealed = ring.seal(&place, b"a seed").unwrap();
    assert_eq!(*ring.open(&place, &sealed).unwrap(), b"a seed");
    assert!(ring.open(&Place { user_id: OTHER, ..place }, &sealed).is_err());
    // What stands in the table of keys is no data key because it was sealed under the ring.
    assert!(ring.unwrap_key(USER, &sealed).is_err());
}

#[test]
fn keys_are_read_strictly() {
    let hexadecimal = hex(&bytes_from::<32>(0x80));
    for same in [
        KEY_80.to_owned(),
        KEY_80.trim_end_matches('=').to_owned(),
        hexadecimal.to_uppercase(),
        format!("# made in November\n\n  {hexadecimal}  \r\n"),
    ] {
        assert_eq!(given(&same).unwrap().ids()[0].to_string(), "43c2cee6801b0f0e", "{same}");
    }
    assert_eq!(given(&format!("{},{}", *fresh_key(), KEY_80)).unwrap().ids().len(), 2);
    assert!(KeyId::of_text(KEY_80).is_some() && KeyId::of_text("# nothing").is_none());
    let many: Vec<String> = (0..17).map(|_| fresh_key().to_string()).collect();
    let zeros = "A".repeat(43);
    for (text, expected) in [
        (String::new(), "there is no key"),
        ("# nothing\n".to_owned(), "there is no key"),
        ("change-me".to_owned(), "key 1 is not 32 bytes"),
        (format!("{KEY_80}\n{}", &KEY_80[4..]), "key 2 is not 32 bytes"),
        (format!("{}é", &hexadecimal[2..]), "key 1 is not 32 bytes"),
        (zeros, "key 1 is not random"),
        ("ab".repeat(32), "key 1 is not random"),
        (format!("{KEY_80},{hexadecimal}"), "key 2 is there twice"),
        (many.join("\n"), "more than 16"),
    ] {
        let error = error_of(given(&text)).to_string();
        assert!(error.contains(expected), "{error} does not contain {expected}");
        assert!(text.is_empty() || !error.contains(&text), "a key is quoted");
    }
}

#[test]
fn a_file_is_made_once_and_is_nobody_elses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sealing-keys");
    let load = || KeyRing::load(KeySource::File(path.clone()));
    assert!(matches!(error_of(load()), RingError::File { .. }));
    let ids: Vec<KeyId> = thread::scope(|scope| {
        let starts = (0..16).map(|_| {
            scope.spawn(|| {
                create_key_file(&path).unwrap();
                load().unwrap().ids()[0]
            })
        });
        let starts: Vec<_> = starts.collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file is left");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for open in [0o644, 0o601, 0o620, 0o602, 0o610] {
        mode(open);
        assert!(matches!(error_of(load()), RingError::TooOpen { .. }), "{open:o}");
    }
    for private in [0o400, 0o440, 0o640] {
        mode(private);
        assert!(load().is_ok(), "{private:o}");
    }
    assert!(
        error_of(KeyRing::load(KeySource::File(directory.path().to_owned())))
            .to_string()
            .contains("no file")
    );
    mode(0o600);
    fs::write(&path, "#".repeat(16 * 1024 + 1)).unwrap();
    assert!(error_of(load()).to_string().contains("too long"));
}

#[test]
fn a_new_key_in_the_file_is_known_as_soon_as_it_is_met() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sealing-keys");
    create_key_file(&path).unwrap();
    let (one, other) = (KeySource::File(path.clone()), KeySource::File(path.clone()));
    let one = KeyRing::load(one).unwrap();
    let former = one.ids()[0];
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}\n{text}", *fresh_key())).unwrap();
    let other = KeyRing::load(other).unwrap();
    let key = DataKey::generate();
    let wrapped = other.wrap_key(USER, &key).unwrap();
    assert_eq!(one.ids(), [former]);
    assert_eq!(*one.unwrap_key(USER, &wrapped).unwrap().0, *key.0);
    assert_eq!(one.ids(), other.ids());
    assert_eq!(one.ids()[1], former);
    // A key that was taken away goes on opening, and seals no more.
    let third = fresh_key();
    fs::write(&path, &*third).unwrap();
    one.reload().unwrap();
    assert_eq!(one.ids(), [KeyId::of_text(&third).unwrap(), other.ids()[0], former]);
    other.reload().unwrap();
    // What is no longer readable does not take away what is known.
    fs::write(&path, "nonsense").unwrap();
    assert!(one.reload().is_err());
    assert_eq!(one.ids(), other.ids());
}

#[test]
fn a_command_tells_the_keys() {
    let load = |command: &str| KeyRing::load(KeySource::Command(command.to_owned()));
    assert_eq!(load(&format!("printf '%s' {KEY_80}")).unwrap().ids().len(), 1);
    assert!(error_of(load("exit 3")).to_string().contains("failed: exit status: 3"));
    assert!(matches!(error_of(load("true")), RingError::Empty));
    assert!(error_of(load("head -c 20000 /dev/zero")).to_string().contains("too long"));
}
