//! `scripts/stub-sources`, as the Dockerfile runs it.

use std::{fs, process::Command};

use crate::{
    dockerfile::files_before_sources,
    tools::{root, run},
};

/// The manifests alone, the empty sources beside them, and cargo finds a workspace.
#[test]
fn the_dependencies_can_be_built_without_our_sources() {
    let directory = tempfile::tempdir().unwrap();
    for path in files_before_sources() {
        let to = directory.path().join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root().join(path), to).unwrap();
    }
    run(Command::new(root().join("scripts/stub-sources")).current_dir(directory.path()));
    run(Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(directory.path()));
}
