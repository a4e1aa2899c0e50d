//! Layers the sources over each other and hands out typed values, collecting every problem.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr, time::Duration};

use config::{File, FileFormat, Source, Value, ValueKind};

use super::{Config, Problems, Sources, keys, print::Setting, redact};

/// Variables that begin like ours and are no configuration.
const OTHER_VARIABLES: [&str; 2] = ["LUNATION_CONFIG", "LUNATION_FAULTS"];

/// The layered values of one load.
pub(super) struct Reader {
    values: config::Config,
    origins: BTreeMap<&'static str, String>,
    problems: Vec<String>,
    warnings: Vec<String>,
    shown: BTreeMap<&'static str, String>,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// Whether the file itself holds a secret.
    pub(super) file_holds_secret: bool,
}

impl Reader {
    /// Layers defaults, file, environment and flags.
    pub(super) fn new(sources: &Sources) -> Result<Self, Problems> {
        let mut reader = Self {
            values: config::Config::default(),
            origins: keys::all().map(|key| (key.name, "default".to_owned())).collect(),
            problems: Vec::new(),
            warnings: Vec::new(),
            shown: BTreeMap::new(),
            file: sources.file.clone(),
            file_holds_secret: false,
        };
        let mut layers = Self::defaults();
        layers.extend(reader.file_values()?);
        layers.extend(reader.environment_values(&sources.environment));
        for (name, value) in &sources.flags {
            reader.origins.insert(name, flag_origin(name));
            layers.push((name, Value::new(None, value.as_str())));
        }
        let mut builder = config::Config::builder();
        for (name, value) in layers {
            builder = builder.set_override(name, value).map_err(|error| one(&error))?;
        }
        reader.values = builder.build().map_err(|error| one(&error))?;
        Ok(reader)
    }

    /// A value that has a default.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        self.optional_text(name).unwrap_or_default()
    }

    /// A value that may be unset. An empty text is unset too, so that `--nats ""` switches off what
    /// the file says.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        let value = self.values.get::<Option<String>>(name).unwrap_or_else(|error| {
            if !matches!(error, config::ConfigError::NotFound(_)) {
                self.problem(name, "must be a text");
            }
            None
        });
        let value = value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(text) = &value {
            self.show(name, text);
        }
        value
    }

    /// A whole number that is not negative.
    pub(super) fn number<N: FromStr + Default>(&mut self, name: &'static str) -> N {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| {
            self.problem(name, format!("must be a whole number within its range, not {text:?}"));
            // The default keeps the check of the range from complaining once more.
            let default = keys::find(name).and_then(|key| key.default?.parse().ok());
            default.unwrap_or_default()
        })
    }

    /// A number of milliseconds.
    pub(super) fn milliseconds(&mut self, name: &'static str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// A number of seconds.
    pub(super) fn seconds(&mut self, name: &'static str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    /// A list: an array in the file, a text with commas elsewhere.
    pub(super) fn list(&mut self, name: &'static str) -> Vec<String> {
        let words = match self.values.get_array(name) {
            Ok(values) => values.into_iter().filter_map(|value| value.into_string().ok()).collect(),
            Err(_) => self
                .optional_text(name)
                .map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
                .unwrap_or_default(),
        };
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect();
        self.show(name, &words.join(","));
        words
    }

    /// Replaces what `config print` shows for a key, where the default is computed.
    pub(super) fn show(&mut self, name: &'static str, value: &str) {
        let secret = keys::find(name).is_some_and(|key| key.secret);
        let value = if secret { redact::value(name, value) } else { value.to_owned() };
        self.shown.insert(name, value);
    }

    /// Notes what is wrong with a key.
    pub(super) fn problem(&mut self, name: &'static str, what: impl AsRef<str>) {
        let origin = self.origins.get(name).map_or("default", String::as_str);
        self.problems.push(format!("{name} ({origin}): {}", what.as_ref()));
    }

    /// Notes a problem unless the condition holds.
    pub(super) fn require(&mut self, holds: bool, name: &'static str, what: impl AsRef<str>) {
        if !holds {
            self.problem(name, what);
        }
    }

    /// Notes what is odd, and no reason to refuse.
    pub(super) fn warning(&mut self, what: String) {
        self.warnings.push(what);
    }

    /// Notes a problem that belongs to no key.
    pub(super) fn problem_elsewhere(&mut self, what: String) {
        self.problems.push(what);
    }

    /// Every problem so far.
    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// The configuration, or every problem.
    pub(super) fn finish(mut self, mut config: Config) -> Result<Config, Problems> {
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        config.settings = keys::all()
            .map(|key| Setting {
                key,
                value: self.shown.remove(key.name),
                origin: self.origins.remove(key.name).unwrap_or_default(),
            })
            .collect();
        config.warnings = self.warnings;
        Ok(config)
    }

    fn defaults() -> Vec<(&'static str, Value)> {
        keys::all().filter_map(|key| Some((key.name, Value::new(None, key.default?)))).collect()
    }

    fn file_values(&mut self) -> Result<Vec<(&'static str, Value)>, Problems> {
        let Some(path) = self.file.clone() else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Problems(vec![format!("{}: cannot be read: {error}", path.display())])
        })?;
        // The parser's message quotes the line, and a line may hold a password: only the place of
        // the mistake is shown.
        let table = File::from_str(&text, FileFormat::Toml).collect().map_err(|error| {
            let place = error.to_string().lines().next().unwrap_or_default().to_owned();
            Problems(vec![format!("{}: {place}", path.display())])
        })?;
        let mut flat = Vec::new();
        flatten("", table.into_iter().collect(), &mut flat);
        let mut known = Vec::new();
        for (name, value) in flat {
            let Some(key) = keys::find(&name) else {
                self.problems.push(unknown(&name, &path.display().to_string()));
                continue;
            };
            self.origins.insert(key.name, path.display().to_string());
            self.file_holds_secret |=
                key.secret && redact::holds_secret(key.name, &value.to_string());
            known.push((key.name, value));
        }
        Ok(known)
    }

    fn environment_values(
        &mut self,
        environment: &BTreeMap<String, String>,
    ) -> Vec<(&'static str, Value)> {
        let mut values = Vec::new();
        let mut ours = Vec::new();
        for key in keys::all() {
            let variable = key.variable();
            // The long name wins over the well-known one: it can only mean us.
            for name in [key.alias, Some(variable.as_str())].into_iter().flatten() {
                if let Some(value) = environment.get(name).filter(|value| !value.is_empty()) {
                    self.origins.insert(key.name, name.to_owned());
                    values.push((key.name, Value::new(None, value.as_str())));
                }
            }
            ours.push(variable);
        }
        for name in environment.keys().filter(|name| name.starts_with("LUNATION_")) {
            if !ours.contains(name) && !OTHER_VARIABLES.contains(&name.as_str()) {
                self.warnings.push(format!("the environment variable {name} means nothing"));
            }
        }
        values
    }
}

fn flag_origin(name: &str) -> String {
    keys::find(name).and_then(|key| key.flag).unwrap_or("flag").to_owned()
}

fn one(error: &config::ConfigError) -> Problems {
    Problems(vec![error.to_string()])
}

fn flatten(prefix: &str, table: BTreeMap<String, Value>, flat: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) => flatten(&path, inner.into_iter().collect(), flat),
            _ => flat.push((path, value)),
        }
    }
}

fn unknown(name: &str, file: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let near = keys::all().find(|key| {
        key.name.rsplit('.').next() == Some(last) || key.name.replace('.', "_") == name
    });
    let hint = near.map(|key| format!(" (did you mean {}?)", key.name)).unwrap_or_default();
    format!("{name} ({file}): there is no such key{hint}")
}
