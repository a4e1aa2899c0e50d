//! Logs and metrics.

use std::{io::IsTerminal as _, panic, thread};

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Upper bounds of histograms of time, in seconds.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Starts logging to standard error: pretty for people, JSON for machines.
///
/// # Errors
/// The filter is none, or logging was started before.
pub(crate) fn start(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter).context("log.filter")?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if is_json(log) {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))?;
    log_panics();
    Ok(())
}

/// Whether log lines are JSON.
pub(crate) fn is_json(log: &Log) -> bool {
    match log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    }
}

/// Starts metrics. Whoever serves `/metrics` calls `render`; `run_upkeep` must be called every few
/// seconds, or histograms grow.
///
/// # Errors
/// Metrics were started before.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics cannot be started")
}

/// Logs where a panic happened, and not its message: that may quote what a user sent.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(%location, thread, "a panic was caught; its message is not logged");
    }));
}
