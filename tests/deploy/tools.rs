//! Small things that all modules use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A committed file's text.
#[track_caller]
pub(crate) fn text(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The program, without anything of the caller's environment.
pub(crate) fn lunation() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunation"));
    command.env_clear();
    command
}

/// The output of a command that has to succeed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Every environment variable that sets a key of the configuration, as the program lists them.
pub(crate) fn known_variables() -> BTreeSet<String> {
    let reference = run(lunation().args(["config", "print", "--reference"]));
    let variables: BTreeSet<String> = reference
        .split('`')
        .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(str::to_owned)
        .collect();
    assert!(variables.contains("LUNATION_LISTEN"), "{reference}");
    variables
}

/// The secrets of a fresh installation, made by the command that everybody uses.
pub(crate) struct MadeSecrets {
    directory: tempfile::TempDir,
}

impl MadeSecrets {
    /// Runs `scripts/make-env` with these flags in an empty directory.
    pub(crate) fn new(flags: &[&str]) -> Self {
        let made = Self { directory: tempfile::tempdir().unwrap() };
        made.make(flags);
        made
    }

    /// Runs it once more.
    pub(crate) fn make(&self, flags: &[&str]) {
        let mut command = Command::new(root().join("scripts/make-env"));
        run(command.args(flags).arg(self.directory.path()));
    }

    /// A file that it made.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where a file of a service's container lies on the host.
    pub(crate) fn mounted(&self, service: &Value, path: &str) -> String {
        let host = strings(&service["volumes"]).into_iter().find_map(|mount| {
            let mut parts = mount.split(':');
            let (source, target) = (parts.next()?, parts.next()?);
            Some(self.path(source).join(path.strip_prefix(target)?.strip_prefix('/')?))
        });
        host.expect("it is in something that is mounted").display().to_string()
    }

    /// The variables of `.env`.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path(".env")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

/// The keys of a mapping.
pub(crate) fn keys(mapping: &Value) -> impl Iterator<Item = &str> {
    mapping.as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}
