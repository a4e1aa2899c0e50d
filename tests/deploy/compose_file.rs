//! docker-compose.yml as an engine reads it: merged and interpolated.

use serde_json::Value;

use crate::tools::{keys, strings, text};

/// The file.
pub(crate) struct ComposeFile {
    /// Everything in it.
    pub(crate) root: Value,
}

impl ComposeFile {
    /// Reads the committed file; `value_of` knows the variables.
    pub(crate) fn load(value_of: impl Fn(&str) -> String) -> Self {
        let mut yaml: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(&text("docker-compose.yml")).unwrap();
        yaml.apply_merge().unwrap();
        let mut root = serde_json::to_value(yaml).unwrap();
        interpolate_all(&mut root, &value_of);
        Self { root }
    }

    /// The names of all services.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        keys(&self.root["services"])
    }

    /// One service.
    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> &Value {
        let service = &self.root["services"][name];
        assert!(service.is_object(), "there is no service {name}");
        service
    }

    /// Whether a service is a process of our program.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.service(name)["image"].as_str().unwrap().starts_with("lunation:")
    }

    /// The services of a profile, each after those that it waits for.
    pub(crate) fn start_order(&self, profile: &str) -> Vec<&str> {
        let mut waiting: Vec<&str> = self
            .services()
            .filter(|name| strings(&self.service(name)["profiles"]).contains(&profile))
            .collect();
        let mut order: Vec<&str> = Vec::new();
        while !waiting.is_empty() {
            let (ready, rest): (Vec<&str>, Vec<&str>) = waiting
                .into_iter()
                .partition(|name| self.waits_for(name).all(|other| order.contains(&other)));
            assert!(!ready.is_empty(), "{rest:?} wait for each other or for another profile");
            order.extend(ready);
            waiting = rest;
        }
        order
    }

    /// The services that one waits for.
    pub(crate) fn waits_for(&self, name: &str) -> impl Iterator<Item = &str> {
        keys(&self.service(name)["depends_on"])
    }
}

fn interpolate_all(value: &mut Value, value_of: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            *text = interpolate(text, value_of).unwrap_or_else(|problem| panic!("{problem}"));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| interpolate_all(it, value_of)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| interpolate_all(member, value_of));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces `${NAME:?what to do}` by the value of the variable, and `$$` by `$`. Any other notation
/// is refused: with `$NAME` or `${NAME:-default}` something would start without a secret, or with
/// one that everybody knows.
fn interpolate(text: &str, value_of: &impl Fn(&str) -> String) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            done.push('$');
            rest = after;
            continue;
        }
        let refused = || format!("{text:?} does not say ${{NAME:?what to do}}");
        let (expression, after) =
            rest.strip_prefix('{').and_then(|it| it.split_once('}')).ok_or_else(refused)?;
        let (name, advice) = expression.split_once(":?").ok_or_else(refused)?;
        if advice.is_empty() {
            return Err(refused());
        }
        done.push_str(&value_of(name));
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

#[test]
fn variables_are_replaced_and_must_be_required() {
    let value_of = |name: &str| name.to_lowercase();
    let interpolated = interpolate("a ${B_C:?run it}@h $$X", &value_of);
    assert_eq!(interpolated, Ok("a b_c@h $X".to_owned()));
    for bad in ["$A", "${A}", "${A:-x}", "${A-x}", "${A?x}", "${A:?}", "${A", "a$"] {
        assert!(interpolate(bad, &value_of).is_err(), "{bad}");
    }
}
