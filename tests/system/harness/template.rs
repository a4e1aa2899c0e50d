//! A data directory with a fresh, migrated cluster, made once and copied for every test: `initdb`
//! costs a second, a copy a tenth of it.

use std::{
    env,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

use super::process::{self, binary_at};

/// Copies the template into `data_dir`, which must not exist yet.
pub(crate) fn copy_into(data_dir: &Path) {
    copy_of(&process::path(), data_dir);
}

/// Copies the template that a binary has made.
pub(crate) fn copy_of(binary: &Path, data_dir: &Path) {
    let template = template(binary);
    let copied = Command::new("cp").arg("-a").arg(&template).arg(data_dir).status().unwrap();
    assert!(copied.success());
}

/// Makes the template if it is not there yet for this very binary. Tests run in processes of
/// their own, so a file lock keeps all but one waiting. It lies where everybody may pass: as root,
/// Postgres runs as another user, and a checkout may be closed to that one.
fn template(binary: &Path) -> PathBuf {
    let base = env::temp_dir();
    let name = format!("lunation-template-{:016x}", hash_of(binary));
    let lock = File::create(base.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let made = base.join(format!("{name}-{}", stamp(binary)));
    if !made.exists() {
        remove_older(&base, &name);
        let making = base.join(format!("{name}-making"));
        let output = binary_at(binary).arg("migrate").arg("--data-dir").arg(&making).output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "could not make the template: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        fs::rename(&making, &made).unwrap();
    }
    made
}

/// Several checkouts on one machine have a template each.
fn hash_of(binary: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    binary.hash(&mut hasher);
    hasher.finish()
}

/// Names the binary by its size and time, so that a rebuilt one gets a template of its own.
fn stamp(binary: &Path) -> String {
    let metadata = fs::metadata(binary).unwrap();
    let modified = metadata.modified().unwrap();
    let since = modified.duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}", metadata.len(), since.as_nanos())
}

fn remove_older(base: &Path, name: &str) {
    for entry in fs::read_dir(base).unwrap().flatten() {
        let is_older = entry.file_name().to_string_lossy().starts_with(&format!("{name}-"));
        if is_older {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}
