//! The text files of the repository, read once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Kinds of files that some rule looks at.
const EXTENSIONS: &[&str] = &["rs", "toml", "md", "sql"];
/// Directories that hold no files of ours.
const SKIPPED: &[&str] = &[".git", ".tools", ".lunation", "target", "node_modules"];

/// Paths relative to the root, with forward slashes, and what the files say. Files that no rule
/// reads are present with an empty text.
#[derive(Default)]
pub(crate) struct Tree {
    texts: BTreeMap<String, String>,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let mut tree = Self::default();
        tree.read_directory(Path::new(Self::root()), "");
        tree
    }

    /// A tree of one file, to show that a rule finds what it forbids.
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Self { texts: BTreeMap::from([(path.to_owned(), text.to_owned())]) }
    }

    pub(crate) fn root() -> &'static str {
        env!("CARGO_MANIFEST_DIR")
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    pub(crate) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let suffix = format!(".{extension}");
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(&suffix))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn read_directory(&mut self, directory: &Path, prefix: &str) {
        // Cargo marks its build directories, whatever they are called.
        if directory.join("CACHEDIR.TAG").exists() {
            return;
        }
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.read_directory(&entry.path(), &format!("{path}/"));
                }
            } else if kind.is_file() {
                let read = EXTENSIONS.iter().any(|it| name.ends_with(&format!(".{it}")));
                let text =
                    if read { fs::read_to_string(entry.path()).unwrap() } else { String::new() };
                self.texts.insert(path, text);
            }
        }
    }
}
