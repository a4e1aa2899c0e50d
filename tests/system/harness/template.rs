//! A data directory with a fresh, migrated cluster, made once and copied for every test: `initdb`
//! costs a second, a copy a tenth of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::process::{self, binary};

/// Copies the template into `data_dir`, which must not exist yet.
pub(crate) fn copy_into(data_dir: &Path) {
    let template = template();
    let copied = Command::new("cp").arg("-a").arg(&template).arg(data_dir).status().unwrap();
    assert!(copied.success());
}

/// Makes the template if it is not there yet for this very binary. Tests run in processes of
/// their own, so a file lock keeps all but one waiting.
fn template() -> PathBuf {
    let stamp = stamp();
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(base.join("template.lock")).unwrap();
    lock.lock().unwrap();
    let made = base.join(format!("template-{stamp}"));
    if !made.exists() {
        remove_others(base);
        let making = base.join("template-making");
        let _absent = fs::remove_dir_all(&making);
        let output = binary().arg("migrate").arg("--data-dir").arg(&making).output();
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

/// Names the binary by its size and time, so that a rebuilt one gets a template of its own.
fn stamp() -> String {
    let metadata = fs::metadata(process::path()).unwrap();
    let modified = metadata.modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}-{}", metadata.len(), since.as_nanos())
}

fn remove_others(base: &Path) {
    for entry in fs::read_dir(base).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("template-") {
            let _in_use_by_nobody = fs::remove_dir_all(entry.path());
        }
    }
}
