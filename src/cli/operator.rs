//! The commands of whoever operates the system: dead letters, events, provisioning.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

/// The longest period that can be asked for, in seconds: ten years.
const PERIOD_MAX: u64 = 3_650 * 24 * 60 * 60;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List the newest, newest first.
    List(DlqListArgs),
    /// Wake the user of each with a fresh event, and remove it once the broker has that.
    #[command(after_help = "Examples:\n  lunation dlq replay 3 5\n  \
                            lunation dlq replay --all --group analytics\n\n\
                            Exit code 1 if one that was named is not there or names no user.")]
    Replay(DlqChoice),
    /// Remove them without replaying.
    #[command(after_help = "Exit code 1 if one that was named is not there.")]
    Drop(DlqChoice),
}

impl DlqCommand {
    /// The server that is meant.
    pub(crate) fn broker(&self) -> &BrokerArgs {
        match self {
            Self::List(arguments) => &arguments.broker,
            Self::Replay(choice) | Self::Drop(choice) => &choice.broker,
        }
    }
}

/// Which dead letters to list.
#[derive(Debug, Args)]
pub(crate) struct DlqListArgs {
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Those of one group only.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub(crate) group: Option<String>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The server.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
pub(crate) struct DlqChoice {
    /// Their ids, as `dlq list` shows them.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<u64>,
    /// All that there are now.
    #[arg(long)]
    pub(crate) all: bool,
    /// Those of one group only.
    #[arg(long, value_name = "GROUP", requires = "all", conflicts_with = "ids", value_parser = group)]
    pub(crate) group: Option<String>,
    /// The server.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// What to see of the events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Show events and dead letters as they are published, until Ctrl-C.
    #[command(after_help = "Streams keep the last event of each user, so --since and --all show \
                            those and not a history.\n\nExamples:\n  lunation events tail\n  \
                            lunation events tail --since 10m --subject 'cycle.>'\n  \
                            lunation events tail --all --json | jq .user_id")]
    Tail(EventsTailArgs),
    /// Show streams, consumers and services.
    Status(EventsStatusArgs),
}

impl EventsCommand {
    /// The server that is meant.
    pub(crate) fn broker(&self) -> &BrokerArgs {
        match self {
            Self::Tail(arguments) => &arguments.broker,
            Self::Status(arguments) => &arguments.broker,
        }
    }
}

/// Which events to show.
#[derive(Debug, Args)]
pub(crate) struct EventsTailArgs {
    /// Begin with what was published since then: 30s, 10m, 2h, 1d.
    #[arg(long, value_name = "TIME", value_parser = period, conflicts_with = "all")]
    pub(crate) since: Option<Duration>,
    /// Begin with everything that is kept.
    #[arg(long)]
    pub(crate) all: bool,
    /// What to listen to, with the wildcards of NATS; by default all events and dead letters.
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    pub(crate) subject: Option<String>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The server.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// How to show the status.
#[derive(Debug, Args)]
pub(crate) struct EventsStatusArgs {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The server.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// What to make on the server.
#[derive(Debug, Args)]
pub(crate) struct ProvisionArgs {
    /// Go on, and make again what gets lost, until a signal ends it.
    #[arg(long)]
    pub(crate) watch: bool,
    /// The server.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Which server.
#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// A configuration file (TOML) that may name the server.
    #[arg(long, value_name = "FILE", env = "LUNATION_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The NATS server; otherwise that of the environment (`NATS_URL`) or of the file.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
}

/// A group's name becomes a part of a subject.
fn group(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || !text.bytes().all(plain) {
        return Err("a group is one word, such as analytics".to_owned());
    }
    Ok(text.to_owned())
}

fn subject(text: &str) -> Result<String, String> {
    let tokens: Vec<&str> = text.split('.').collect();
    let last = tokens.len() - 1;
    let valid = |(index, token): (usize, &&str)| {
        let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        visible && (!token.contains('>') || (*token == ">" && index == last))
    };
    if !tokens.iter().enumerate().all(valid) {
        return Err("expected words with points between, such as cycle.>".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn period(text: &str) -> Result<Duration, String> {
    let unit_seconds = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    let seconds = text.char_indices().last().and_then(|(at, unit)| {
        let number: u32 = text.get(..at)?.parse().ok()?;
        u64::from(number).checked_mul(unit_seconds(unit)?)
    });
    let seconds = seconds.filter(|seconds| *seconds <= PERIOD_MAX);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected 30s, 10m, 2h or 1d, and at most 3650d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_a_unit() {
        let seconds = |text: &str| period(text).ok().map(|period| period.as_secs());
        assert_eq!(seconds("30s"), Some(30));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("2h"), Some(7_200));
        assert_eq!(seconds("1d"), Some(86_400));
        for text in ["", "m", "10", "-1m", "1.5h", "10 m", "10w", "99999999999s", "10ü", "3651d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn subjects_and_groups_are_words() {
        for text in ["cycle.>", ">", "*.changed.v1.*.7", "dlq.analytics.failed", "$SRV.PING"] {
            assert_eq!(subject(text).as_deref(), Ok(text));
        }
        for text in ["", ".", "a..b", "a.", "a b", "a.>.b", "a>", "a.\n"] {
            assert!(subject(text).is_err(), "{text:?}");
        }
        assert!(group("analytics").is_ok());
        for text in ["", "a.b", "*", ">"] {
            assert!(group(text).is_err(), "{text:?}");
        }
    }
}
