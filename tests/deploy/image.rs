//! `scripts/image-root`, as the Dockerfile runs it: what the image holds is enough. For Linux, since
//! that is what an image is for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::tools::{root, run};

/// The program starts with nothing but what the image holds, by the image's own loader.
#[test]
fn the_program_runs_with_the_libraries_of_the_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path();
    let program = env!("CARGO_BIN_EXE_lunation");
    run(Command::new(root().join("scripts/image-root")).arg(program).arg(image));
    let files = files_below(image);
    let libraries: Vec<&PathBuf> =
        files.iter().filter(|path| path.to_string_lossy().contains(".so")).collect();
    let is_loader = |path: &&&PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"))
    };
    let loader = libraries.iter().find(is_loader).expect("the loader is in the image");
    let directories: BTreeSet<&str> =
        libraries.iter().map(|path| path.parent().unwrap().to_str().unwrap()).collect();
    let search = directories.into_iter().collect::<Vec<_>>().join(":");
    let installed = image.join("usr/local/bin/lunation");
    let version = run(Command::new(loader)
        .args(["--inhibit-cache", "--library-path", &search])
        .arg(&installed)
        .arg("--version")
        .env_clear());
    assert_eq!(version.trim(), concat!("lunation ", env!("CARGO_PKG_VERSION")));
    // Everything it loads is in the image: the loader says where each library was found.
    let resolved = run(Command::new(loader)
        .args(["--inhibit-cache", "--library-path", &search, "--list"])
        .arg(&installed)
        .env_clear());
    let outside: Vec<&str> = resolved
        .lines()
        .filter_map(|line| line.split_once("=> "))
        .map(|(_, found)| found)
        .filter(|found| !found.starts_with(image.to_str().unwrap()))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert!(image.join("etc/ssl/certs/ca-certificates.crt").is_file());
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
