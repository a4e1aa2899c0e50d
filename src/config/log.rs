//! Log lines.

use tracing_subscriber::EnvFilter;

use super::{keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "log.format",
        default: Some("auto"),
        flag: None,
        alias: None,
        secret: false,
        about: "`pretty`, `json`, or `auto`: pretty on a terminal, JSON otherwise",
    },
    Key {
        name: "log.filter",
        default: Some("info,sqlx=warn,async_nats=warn,poem=warn"),
        flag: None,
        alias: Some("RUST_LOG"),
        secret: false,
        about: "which log lines appear, in the notation of tracing's `EnvFilter`",
    },
];

/// Log lines.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// How a line looks.
    pub(crate) format: LogFormat,
    /// Which lines appear.
    pub(crate) filter: String,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let format = match reader.text("log.format").as_str() {
            "auto" => LogFormat::Auto,
            "pretty" => LogFormat::Pretty,
            "json" => LogFormat::Json,
            other => {
                reader
                    .problem("log.format", format!("must be auto, pretty or json, not {other:?}"));
                LogFormat::Auto
            }
        };
        Self { format, filter: reader.text("log.filter") }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            reader.problem("log.filter", format!("is no filter: {error}"));
        }
    }
}
