//! Every file of the fuzz corpora once more, through the very functions that the fuzz targets call.
#![cfg(test)]

#[expect(unreachable_pub, reason = "the library of the fuzz targets, a crate of its own there")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzzed;

use std::{fs, path::Path};

/// What is committed of a corpus is looked through by people, too.
const FILES_MAX: usize = 60;
const BYTES_MAX: usize = 4 * 1024;

fn replay(name: &str) {
    let (_, run) = fuzzed::TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let directory = root().join("corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!((10..=FILES_MAX).contains(&files.len()), "{name}: {} files", files.len());
    for file in files {
        let input = fs::read(&file).unwrap();
        assert!(input.len() <= BYTES_MAX, "{}: {} bytes", file.display(), input.len());
        // Named in the output of a test that fails.
        println!("{}", file.display());
        run(&input);
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

#[test]
fn bodies() {
    replay("bodies");
}

#[test]
fn cursors() {
    replay("cursors");
}

#[test]
fn dates() {
    replay("dates");
}

#[test]
fn events() {
    replay("events");
}

#[test]
fn imports() {
    replay("imports");
}

#[test]
fn parameters() {
    replay("parameters");
}

#[test]
fn rpc() {
    replay("rpc");
}

#[test]
fn tokens() {
    replay("tokens");
}

/// The program of each target does what the table says, and nothing is left out.
#[test]
fn every_target_has_its_program_and_its_corpus() {
    for (name, _) in fuzzed::TARGETS {
        let program = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("lunation_fuzz::{name}::run(input)")), "{name}");
    }
    for directory in ["fuzz_targets", "corpus"] {
        let there = fs::read_dir(root().join(directory)).unwrap().count();
        assert_eq!(there, fuzzed::TARGETS.len(), "{directory}");
    }
}

/// Every operation with a body has a file that begins with it.
#[test]
fn the_corpus_of_bodies_has_every_operation() {
    let files = fs::read_dir(root().join("corpus/bodies")).unwrap();
    let texts: Vec<Vec<u8>> = files.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    for operation in fuzzed::bodies::operations().keys() {
        let line = format!("{operation}\n");
        assert!(texts.iter().any(|text| text.starts_with(line.as_bytes())), "{operation}");
    }
}
