//! `lunation events`: what passes over the broker, without the NATS CLI.

mod line;
mod status;

use std::{io::Write as _, pin::pin, time::Duration};

use actor_runtime::clock::Clock;
use anyhow::{Result, bail};
use nats::operator::{Operator, Past};
use tokio::time::{self, MissedTickBehavior};

use crate::{
    cli::{EventsCommand, EventsTailArgs},
    lifecycle,
    output::Output,
};

/// How often it is looked whether anybody still reads.
const READER_CHECK: Duration = Duration::from_secs(1);

/// Does it.
///
/// # Errors
/// The broker does not answer, or the output cannot be written.
pub(crate) async fn run(
    operator: &Operator,
    command: &EventsCommand,
    out: &mut Output,
) -> Result<()> {
    match command {
        EventsCommand::Tail(arguments) => tail(operator, arguments, out).await,
        EventsCommand::Status(arguments) => status::show(operator, arguments.json, out).await,
    }
}

/// Shows events until a signal comes, or nobody reads any more.
async fn tail(operator: &Operator, arguments: &EventsTailArgs, out: &mut Output) -> Result<()> {
    let EventsTailArgs { since, all, subject, json, broker: _ } = arguments;
    let clock = Clock::System;
    let past = match since {
        Some(period) => Past::Since((clock.now() - *period).into()),
        None if *all => Past::Everything,
        None => Past::Nothing,
    };
    let shutdown = lifecycle::shutdown_on_signal()?;
    let mut tail = operator.tail(subject.as_deref(), past).await?;
    let mut reader_check = time::interval(READER_CHECK);
    reader_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Not begun anew at each look at the reader: a broker that takes longer to answer would
        // never be heard.
        let mut next = pin!(tail.next());
        let seen = loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                seen = &mut next => break seen?,
                _ = reader_check.tick() => if out.has_no_reader() {
                    return Ok(());
                },
            }
        };
        let Some(seen) = seen else { bail!("the connection to NATS was closed") };
        let line = if *json {
            line::json(&seen, clock.now()).to_string()
        } else {
            line::text(&seen, clock.now())
        };
        writeln!(out, "{line}")?;
    }
}
