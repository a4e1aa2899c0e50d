//! Where keys come from: a file, a text that was given, or a command.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{KeyBytes, RingError};

/// The longest text of keys, in bytes.
const LENGTH_MAX: u64 = 16 * 1024;
/// What the group must not have (to write, to execute) and others must not have (anything). A group
/// may read: what Kubernetes mounts belongs to root and to the group of the process.
const MODE_REFUSED: u32 = 0o037;
/// How long a command may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Takes what `openssl` writes, and the same without the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where keys come from. Each is 32 bytes in base64 or in hexadecimal digits; they stand on lines of
/// their own or with commas between, the one that seals first. Lines that begin with `#` say nothing.
#[derive(Clone)]
pub enum KeySource {
    /// A file that only its owner, or its group too, can read.
    File(PathBuf),
    /// The text itself.
    Given(SecretString),
    /// What a command of the shell writes to its standard output: for a key management service.
    Command(String),
}

impl KeySource {
    /// Reads the text of the keys.
    pub(super) fn read(&self) -> Result<Zeroizing<String>, RingError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Given(text) => Ok(Zeroizing::new(text.expose_secret().to_owned())),
            Self::Command(command) => run(command),
        }
    }
}

/// A fresh key, as it is written.
pub fn fresh_key() -> Zeroizing<String> {
    let bytes: KeyBytes = Zeroizing::new(rand::random());
    Zeroizing::new(BASE64_STANDARD.encode(*bytes))
}

/// Makes a file with a fresh key if there is none. Of several processes that do so at the same time
/// all find the same key.
///
/// # Errors
///
/// It cannot be written.
pub fn create_key_file(path: &Path) -> Result<(), RingError> {
    let failed = |source| RingError::File { path: path.to_owned(), source };
    if fs::exists(path).map_err(failed)? {
        return Ok(());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = directory.join(format!(".sealing-keys-{:016x}.tmp", rand::random::<u64>()));
    let written = write_and_publish(&temporary, path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "could not remove a temporary file of keys");
        }
        _ => {}
    }
    let synced = || File::open(directory)?.sync_all();
    written.and_then(|()| synced()).map_err(failed)
}

/// The words of a text of keys.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// A key, if this is one.
pub(super) fn decode(word: &str) -> Option<KeyBytes> {
    let bytes = if word.len() == 64 { decode_hex(word)? } else { decode_base64(word)? };
    let key: &[u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(*key))
}

fn decode_base64(word: &str) -> Option<Zeroizing<Vec<u8>>> {
    BASE64.decode(word).ok().map(Zeroizing::new)
}

fn decode_hex(word: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(word.len() / 2));
    for pair in word.as_bytes().chunks_exact(2) {
        bytes.push(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    }
    Some(bytes)
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, RingError> {
    let failed = |source| RingError::File { path: path.to_owned(), source };
    // Everything is asked of the open file, so that nobody can exchange it in between.
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    if metadata.permissions().mode() & MODE_REFUSED != 0 {
        return Err(RingError::TooOpen { path: path.to_owned() });
    }
    read_text(file).map_err(failed)
}

fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    // Reserved, so that no copy is left where it grew out of.
    let capacity = usize::try_from(LENGTH_MAX).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    from.take(LENGTH_MAX + 1).read_to_string(&mut text)?;
    if text.len() >= capacity {
        return Err(io::Error::other("it is too long to be keys"));
    }
    Ok(text)
}

/// Runs a command to its end. What it has to complain about goes where our own complaints go.
fn run(command: &str) -> Result<Zeroizing<String>, RingError> {
    let failed = |what: &str| RingError::Command(what.to_owned());
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("cannot be run: {error}")))?;
    let deadline = Instant::now() + COMMAND_PATIENCE;
    // What it writes fits into the pipe, or is too long to be keys: nobody has to read meanwhile.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            _ => {
                let killed = child.kill().and_then(|()| child.wait());
                if let Err(error) = killed {
                    tracing::warn!(%error, "a command that tells keys could not be ended");
                }
                return Err(failed("did not end in 30 s, or wrote too much"));
            }
        }
    };
    if !status.success() {
        return Err(failed(&format!("failed: {status}")));
    }
    let output = child.stdout.take().ok_or_else(|| failed("has no output"))?;
    read_text(output).map_err(|error| failed(&format!("wrote no text: {error}")))
}

fn write_and_publish(temporary: &Path, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    writeln!(file, "{}", *fresh_key())?;
    file.sync_all()?;
    // A link and not a rename: a rename would take the place of a key that another process has
    // made in the meantime and may have sealed with.
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
