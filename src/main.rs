//! Lunation: a menstrual-cycle-tracking service built as an actor system.
//!
//! This package is the only place that knows all parts; each of them is a crate.

mod cli;
mod config;
mod serve;

mod accept;
mod accounts;
mod backtest;
mod compose;
mod connections;
mod demo;
mod dlq;
mod doctor;
mod embedded;
mod erasures;
mod events;
mod front;
mod health;
mod keeper;
mod lifecycle;
mod migrate;
mod operator;
mod orphan;
mod output;
mod private_file;
mod provision;
mod provisioner;
mod running;
mod sealing;
mod signing_keys;
mod split;
mod sql;
mod table;
mod telemetry;
mod upkeep;

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use secrecy::SecretString;

use crate::{
    cli::{
        AnyKeysCommand, BrokerArgs, Cli, Command, ConfigCommand, DlqCommand, EventsCommand,
        OpenapiArgs, OpenapiFormat, ProvisionArgs, Settings,
    },
    config::{Config, Problems, Sources},
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    install_crypto();
    let command = cli.command.unwrap_or(Command::Serve(cli.settings));
    match run(command) {
        Ok(code) => code,
        // `| head` has seen enough.
        Err(error) if output::reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            lifecycle::exit_code(&error)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(settings) => {
            let config = load(&settings)?;
            telemetry::start(&config.log)?;
            let json = telemetry::is_json(&config.log);
            Ok(ended(json, block_on(serve(config, &settings))))
        }
        Command::Migrate(settings) => {
            let config = load(&settings)?;
            telemetry::start(&config.log)?;
            block_on(migrate_all(&config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(settings) => {
            let config = load(&settings)?;
            let healthy = block_on(doctor::run(&config, &mut output::stdout()))?;
            Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Config(command) => print_config(command),
        Command::Openapi(arguments) => print_openapi(&arguments),
        Command::Demo(arguments) => {
            block_on(demo::run(arguments))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Backtest(arguments) => {
            backtest::run(&arguments, &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Health(arguments) => {
            let address = match arguments.address {
                Some(address) => Some(address),
                None => load(&arguments.settings)?.http.admin_listen,
            };
            block_on(health::check(address))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Events(command) => watch(&command),
        Command::Dlq(command) => tend_dead_letters(&command),
        Command::Keys(AnyKeysCommand::Sealing(command)) => {
            let config = load(command.settings())?;
            block_on(Box::pin(sealing::run(&config, &command, &mut output::stdout())))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(AnyKeysCommand::Signing(command)) => {
            signing_keys::run(&command, |settings| Ok(load(settings)?), &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Users(command) => {
            let config = load(command.settings())?;
            operator::log("")?;
            block_on(Box::pin(accounts::run(&config, &command, &mut output::stdout())))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Erasures(command) => {
            let config = load(command.settings())?;
            operator::log("")?;
            block_on(Box::pin(erasures::run(&config, &command, &mut output::stdout())))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Provision(arguments) => provision(&arguments),
    }
}

async fn serve(config: Config, settings: &Settings) -> Result<()> {
    match config.split.clone() {
        Some(split) => Box::pin(split::serve(config, &split, settings)).await,
        None => Box::pin(serve::serve(config)).await,
    }
}

/// The exit code of the service; why it failed is logged where machines read the log.
fn ended(json: bool, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                tracing::error!("{error:#}");
            } else {
                eprintln!("error: {error:#}");
            }
            lifecycle::exit_code(&error)
        }
    }
}

async fn migrate_all(config: &Config) -> Result<()> {
    let shutdown = lifecycle::shutdown_on_signal()?;
    let stopped = || anyhow::anyhow!("stopped by a signal before everything was up to date");
    let local = Box::pin(serve::Local::start(config, &shutdown)).await?.ok_or_else(stopped)?;
    let databases = local.databases(config);
    let result = shutdown.run_until_cancelled(Box::pin(migrate::up(&databases))).await;
    local.stop().await;
    result.unwrap_or_else(|| Err(stopped()))
}

fn print_config(command: ConfigCommand) -> Result<ExitCode> {
    let mut out = output::stdout();
    match command {
        ConfigCommand::Print(arguments) if arguments.reference => {
            write!(out, "{}", config::keys::markdown())?;
        }
        ConfigCommand::Print(arguments) => {
            config::print::settings(&load(&arguments.settings)?, &mut out)?;
        }
        ConfigCommand::Check(settings) => {
            for warning in load(&settings)?.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "ok")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_openapi(arguments: &OpenapiArgs) -> Result<ExitCode> {
    let document = match arguments.format {
        OpenapiFormat::Json => api::openapi_json(),
        OpenapiFormat::Yaml => api::openapi_yaml(),
    };
    output::stdout().write_all(document.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn watch(command: &EventsCommand) -> Result<ExitCode> {
    let url = nats_url(command.broker())?;
    // Whether there is a connection is a part of what is watched.
    let watched =
        if matches!(command, EventsCommand::Tail(_)) { ",lunation_nats=info" } else { "" };
    operator::log(watched)?;
    block_on(Box::pin(async {
        let operator = operator::connect(&url).await?;
        events::run(&operator, command, &mut output::stdout()).await
    }))?;
    Ok(ExitCode::SUCCESS)
}

fn tend_dead_letters(command: &DlqCommand) -> Result<ExitCode> {
    let url = nats_url(command.broker())?;
    operator::log("")?;
    let complete = block_on(Box::pin(async {
        let operator = operator::connect(&url).await?;
        dlq::run(&operator, command, &mut output::stdout()).await
    }))?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn provision(arguments: &ProvisionArgs) -> Result<ExitCode> {
    let url = nats_url(&arguments.broker)?;
    operator::log("")?;
    block_on(Box::pin(provision::run(&url, arguments.watch, &mut output::stdout())))?;
    Ok(ExitCode::SUCCESS)
}

fn nats_url(arguments: &BrokerArgs) -> Result<SecretString, Problems> {
    config::nats_url(&Sources {
        file: arguments.config.clone(),
        environment: config::environment(),
        flags: arguments.nats.iter().map(|url| ("nats_url", url.clone())).collect(),
        root: embedded::is_root(),
    })
}

fn load(settings: &Settings) -> Result<Config, Problems> {
    Config::load(&Sources {
        file: settings.config.clone(),
        environment: config::environment(),
        flags: settings.flags(),
        root: embedded::is_root(),
    })
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(work)
}

/// Chooses the implementations of cryptography once, before anything needs one. With features of
/// several linked in, the libraries would otherwise panic at first use.
fn install_crypto() {
    let tokens = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
    let connections = rustls::crypto::ring::default_provider().install_default();
    if tokens.is_err() || connections.is_err() {
        eprintln!("warning: another implementation of cryptography was installed first");
    }
}
