//! `lunation provision`: makes streams and durables be as they shall be, and says what it did. With
//! `--watch` it goes on every 30 s and after every outage, for groups that may make none themselves.

use std::io::Write;

use anyhow::{Context as _, Result};
use nats::{Bus, Change, accounts::Credential};
use secrecy::SecretString;

use crate::{lifecycle, operator, provisioner};

/// Asserts every stream and durable, and goes on if it is to watch.
///
/// # Errors
/// The server cannot be reached, may not be changed with this credential, or keeps something with
/// settings that cannot be corrected.
pub(crate) async fn run(url: &SecretString, watch: bool, out: &mut impl Write) -> Result<()> {
    let connection = operator::connection(url, Credential::Provisioner).await?;
    let bus = Bus::jetstream(connection, 1);
    let asserted = bus.provision().await;
    for it in asserted.context("the streams on NATS cannot be asserted")? {
        let change = match it.change {
            Change::None => "was there",
            Change::Created => "created",
            Change::Corrected => "corrected",
        };
        writeln!(out, "{:25}  {change}", it.object)?;
    }
    if watch {
        out.flush()?;
        let ended = lifecycle::shutdown_on_signal()?;
        ended.run_until_cancelled(Box::pin(provisioner::run(bus))).await;
    }
    Ok(())
}
