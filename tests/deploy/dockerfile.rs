//! The Dockerfile, read instruction by instruction.

use std::collections::BTreeMap;

use crate::{
    dockerignore::is_ignored,
    tools::{known_variables, root, text},
};

/// A stage and its instructions: (`COPY`, its arguments)…
struct Stage {
    base: String,
    name: Option<String>,
    instructions: Vec<(String, String)>,
}

impl Stage {
    fn arguments(&self, instruction: &str) -> impl Iterator<Item = &str> {
        let of_it = self.instructions.iter().filter(move |(name, _)| name == instruction);
        of_it.map(|(_, arguments)| arguments.as_str())
    }
}

/// The variables that the image sets, for processes that are started as in a container.
pub(crate) fn image_environment() -> BTreeMap<String, String> {
    let stages = stages();
    let last = stages.last().unwrap();
    let pairs = last.arguments("ENV").flat_map(str::split_whitespace);
    pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The files that are there when the dependencies are built.
pub(crate) fn files_before_sources() -> Vec<String> {
    let stages = stages();
    let copied = stages[0].arguments("COPY").flat_map(|words| {
        let words: Vec<&str> = words.split(' ').collect();
        words[..words.len() - 1].iter().map(|file| (*file).to_owned()).collect::<Vec<_>>()
    });
    copied.collect()
}

fn stages() -> Vec<Stage> {
    let text = text("Dockerfile");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let mut stages: Vec<Stage> = Vec::new();
    for line in joined.lines().filter(|line| !line.trim().is_empty()) {
        let (name, arguments) = line.split_once(' ').unwrap();
        let arguments = arguments.split_whitespace().collect::<Vec<_>>().join(" ");
        if name == "FROM" {
            let (base, name) = match arguments.split_once(" AS ") {
                Some((base, name)) => (base.to_owned(), Some(name.to_owned())),
                None => (arguments, None),
            };
            stages.push(Stage { base, name, instructions: Vec::new() });
        } else {
            let stage = stages.last_mut().expect("FROM comes first");
            stage.instructions.push((name.to_owned(), arguments));
        }
    }
    stages
}

#[test]
fn only_what_exists_is_referred_to() {
    let mut known: Vec<String> = Vec::new();
    for stage in stages() {
        let is_image = stage.base == "scratch" || stage.base.contains(':');
        assert!(is_image || known.contains(&stage.base), "there is no stage {}", stage.base);
        for copied in stage.arguments("COPY") {
            let words: Vec<&str> = copied.split(' ').collect();
            if let Some(from) = words[0].strip_prefix("--from=") {
                assert!(known.iter().any(|name| name == from), "there is no stage {from}");
                continue;
            }
            let (_, sources) = words.split_last().unwrap();
            for source in sources.iter().filter(|source| **source != ".") {
                assert!(root().join(source).exists(), "{source} does not exist");
                assert!(!is_ignored(source), "{source} is not in the context");
            }
        }
        known.extend(stage.name);
    }
}

#[test]
fn the_base_image_is_the_pinned_toolchain() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = "));
    let version = channel.unwrap().trim_matches('"');
    let bases: Vec<String> = stages().into_iter().map(|stage| stage.base).collect();
    assert_eq!(bases, [&*format!("rust:{version}-slim-bookworm"), "dependencies", "scratch"]);
}

/// A member whose manifest is missing would end the build of the dependencies.
#[test]
fn the_manifest_of_every_member_is_there_before_the_sources() {
    let manifest = text("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let stages = stages();
    let copied: Vec<&str> = stages[0].arguments("COPY").collect();
    let mut count = 0;
    for member in members.split('"').skip(1).step_by(2) {
        let expected = format!("{member}/Cargo.toml {member}/");
        assert!(copied.contains(&expected.as_str()), "no COPY {expected}");
        count += 1;
    }
    assert_eq!(copied.iter().filter(|it| it.contains("/Cargo.toml")).count(), count);
}

#[test]
fn the_image_runs_the_program_as_nobody_in_particular() {
    let stages = stages();
    let last = stages.last().unwrap();
    assert_eq!(last.arguments("USER").collect::<Vec<_>>(), ["65532:65532"]);
    assert_eq!(
        last.arguments("ENTRYPOINT").collect::<Vec<_>>(),
        [r#"["/usr/local/bin/lunation"]"#]
    );
    assert_eq!(last.arguments("CMD").collect::<Vec<_>>(), [r#"["serve"]"#]);
    let health: Vec<&str> = last.arguments("HEALTHCHECK").collect();
    assert!(health[0].ends_with(r#"CMD ["/usr/local/bin/lunation", "health"]"#), "{health:?}");
    assert_eq!(last.arguments("RUN").count(), 0, "scratch has nothing to run");
}

#[test]
fn the_image_sets_what_the_program_knows() {
    let known = known_variables();
    let environment = image_environment();
    for variable in environment.keys() {
        assert!(known.contains(variable), "{variable}");
    }
    assert_eq!(environment["LUNATION_PROFILE"], "production");
}
