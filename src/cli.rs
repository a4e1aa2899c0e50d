//! The command line.

mod backtest;
mod erasures;
mod keys;
mod operator;
mod sealing;
mod users;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use backtest::BacktestArgs;
pub(crate) use erasures::{ErasuresApplyArgs, ErasuresCommand};
pub(crate) use keys::{KeysArgs, KeysCommand};
pub(crate) use operator::{
    BrokerArgs, DlqChoice, DlqCommand, DlqListArgs, EventsCommand, EventsTailArgs, ProvisionArgs,
};
pub(crate) use sealing::{SealingArgs, SealingCommand};
pub(crate) use users::UsersCommand;

const EXAMPLES: &str = "\
Examples:
  lunation                                     everything in one process on http://127.0.0.1:8080
  lunation --listen 0.0.0.0:80 --data-dir /srv/lunation
  lunation serve --nats nats://127.0.0.1:4222  the same, with JetStream as the bus
  lunation serve --groups cycles --nats URL    one group; the others run in other processes
  lunation serve --split --replicas analytics=2  a process per group, on this machine
  lunation doctor                              what is missing, and what to do about it
  lunation demo --users 500                    fill a running instance with people
  lunation backtest development.csv            how good the predictions were
  lunation events tail --nats URL              watch what happens, as it happens
  lunation dlq list --nats URL                 what was given up
  lunation users reset-link EMAIL              a way back in for somebody
  lunation users reset-second-factor EMAIL     the same for a lost authenticator app
  lunation keys rotate                         another key for access tokens, step by step
  lunation keys rotate-kek                     another key for what is sealed, while users write
  lunation config print                        every setting, and where it came from

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 70 a part kept failing.";

/// A menstrual-cycle-tracking service built as an actor system.
#[derive(Debug, Parser)]
#[command(
    name = "lunation",
    version,
    about,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What to do; `serve` by default.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The settings of `serve`, when no command is named.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service (the default).
    Serve(Settings),
    /// Bring every database up to date and exit.
    Migrate(Settings),
    /// Print the OpenAPI document.
    Openapi(OpenapiArgs),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check every dependency and say what to do.
    #[command(
        after_help = "Run it where the service runs, with the same flags and environment. Exit code 1 if a check fails."
    )]
    Doctor(Settings),
    /// Fill a running instance with realistic users through its public API.
    #[command(
        after_help = "Examples:\n  lunation demo --users 500\n  lunation demo --users 10000 --concurrency 32 --seed 7 --state demo.json"
    )]
    Demo(DemoArgs),
    /// Replay the predictor over logs in the past, and say how good it was.
    #[command(after_help = backtest::FILES)]
    Backtest(BacktestArgs),
    /// Ask a running instance whether it lives; for container health checks.
    Health(HealthArgs),
    /// Show the events on NATS, and how streams, consumers and services fare.
    #[command(subcommand)]
    Events(EventsCommand),
    /// List, replay or drop dead letters: events that a group gave up.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Keys: those that sign access tokens, and those that open what is sealed in the databases.
    #[command(subcommand)]
    Keys(AnyKeysCommand),
    /// Look after accounts.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Print or apply the ledger of erasures, for databases that are restored from backups.
    #[command(subcommand)]
    Erasures(ErasuresCommand),
    /// Make streams and consumers on NATS be as they shall be, and say what was done.
    Provision(ProvisionArgs),
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum AnyKeysCommand {
    /// Those that sign access tokens.
    #[command(flatten)]
    Signing(KeysCommand),
    /// Those that open what is sealed.
    #[command(flatten)]
    Sealing(SealingCommand),
}

/// Settings that have a flag. Every one has a variable and a key of the file too, and many more
/// have only those: see `lunation config print`.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    /// A configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "LUNATION_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Groups in this process: `all`, or a list of api, users, cycles, analytics, notifications.
    #[arg(long, value_name = "LIST")]
    pub(crate) groups: Option<String>,
    /// Run every group in a process of its own, with a NATS server and databases of their own.
    #[arg(long)]
    pub(crate) split: bool,
    /// With --split: how many processes a group has.
    #[arg(long, value_name = "GROUP=N", value_delimiter = ',')]
    pub(crate) replicas: Vec<String>,
    /// Address and port of the API [default: 127.0.0.1:8080; of a group alone: 5001 to 5004].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Address and port of health and metrics, or `none` [default: 127.0.0.1:9090; of a group
    /// alone: 9091 to 9094].
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// Directory of the embedded database and of generated secrets.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// A NATS server with JetStream; without one the bus is in memory.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// `development` or `production` [default: development].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

impl Settings {
    /// The keys that the flags set.
    pub(crate) fn flags(&self) -> Vec<(&'static str, String)> {
        let Self {
            config: _,
            groups,
            split,
            replicas,
            listen,
            admin_listen,
            data_dir,
            nats,
            profile,
        } = self;
        let split = split.then(|| "true".to_owned());
        let replicas = (!replicas.is_empty()).then(|| replicas.join(","));
        [
            ("groups", groups),
            ("split", &split),
            ("replicas", &replicas),
            ("listen", listen),
            ("admin_listen", admin_listen),
            ("data_dir", data_dir),
            ("nats_url", nats),
            ("profile", profile),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
    }
}

/// How to print the OpenAPI document.
#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// The notation.
    #[arg(long, value_enum, default_value_t = OpenapiFormat::Json)]
    pub(crate) format: OpenapiFormat,
}

/// A notation of the OpenAPI document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpenapiFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting and where it came from, secrets hidden.
    Print(ConfigPrintArgs),
    /// Say `ok`, or list every problem and exit with 2.
    Check(Settings),
}

/// How to print the configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigPrintArgs {
    /// Print the reference of all keys as a Markdown table instead.
    #[arg(long)]
    pub(crate) reference: bool,
    /// The settings.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// How to fill a running instance.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many users.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) users: u32,
    /// The running instance.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) base_url: String,
    /// The same seed gives the same people.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Users filled at once.
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
    /// Where progress is kept, so that a second run continues the first.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Address of the admin listener; by default the configured one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: Option<SocketAddr>,
    /// The settings.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_its_flags_either_way() {
        for arguments in [&["lunation"][..], &["lunation", "serve"]] {
            let mut arguments = arguments.to_vec();
            arguments.extend(["--listen", "127.0.0.1:1", "--nats", "nats://h"]);
            let cli = Cli::try_parse_from(arguments).unwrap();
            let settings = match cli.command {
                None => cli.settings,
                Some(Command::Serve(settings)) => settings,
                Some(other) => panic!("{other:?}"),
            };
            let expected =
                [("listen", "127.0.0.1:1".to_owned()), ("nats_url", "nats://h".to_owned())];
            assert_eq!(settings.flags(), expected);
        }
    }

    #[test]
    fn usage_errors_exit_with_two() {
        for arguments in [&["lunation", "moon"][..], &["lunation", "demo", "--users", "0"]] {
            assert_eq!(Cli::try_parse_from(arguments).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn every_flag_of_serve_is_in_the_table_of_keys() {
        for key in crate::config::keys::all().filter_map(|key| key.flag) {
            let long = key.trim_start_matches('-');
            assert!(
                Cli::command().get_arguments().any(|argument| argument.get_long() == Some(long)),
                "{key}"
            );
        }
    }
}
