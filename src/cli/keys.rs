//! The command on signing keys.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

/// The least time before a key signs: everybody who verifies tokens hears of it by then.
const LEAST: Duration = Duration::from_secs(10);
/// The longest, one year: whoever plans for later has mistaken the unit.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// What to do with the keys that sign access tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Show the signing keys: which one signs, which one is next, and until when the former is taken.
    List(KeysArgs),
    /// Make the next signing key. It is published at once, and signs after a while; the former one is
    /// published until its last token has run out. Running processes see it.
    #[command(
        after_help = "Where the keys are mounted read-only, run it on the directory that they \
                            come from (--file), and publish that directory anew."
    )]
    Rotate(RotateArgs),
    /// Take away every signing key that signs no more, at once: its tokens are refused within 5 seconds.
    /// For keys that somebody else may have; after a rotation nobody needs it.
    Retire(KeysArgs),
}

/// Which keys.
#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    /// The key file; otherwise that of the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A configuration file (TOML) that may name it.
    #[arg(long, value_name = "FILE", env = "LUNATION_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory, where the development profile keeps it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to rotate.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// After how long the new key signs: 30s, 15m, 1h. Less than 15 minutes is for emergencies: who
    /// verifies tokens outside of this system may not have read the published keys again by then.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = activation)]
    pub(crate) activate_in: Duration,
    /// Which keys.
    #[command(flatten)]
    pub(crate) keys: KeysArgs,
}

fn activation(text: &str) -> Result<Duration, String> {
    let time = super::operator::period(text)?;
    if (LEAST..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err(format!("must be from {} seconds to a year", LEAST.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_published_before_it_signs() {
        assert_eq!(activation("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(activation("15m"), Ok(Duration::from_mins(15)));
        for text in ["0s", "9s", "367d", "15", "soon"] {
            assert!(activation(text).is_err(), "{text}");
        }
    }
}
