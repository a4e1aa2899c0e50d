//! Asks a running instance whether it lives.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks for `/livez` on the admin listener.
///
/// # Errors
/// It does not answer, or with something else than 200.
pub(crate) async fn check(address: Option<SocketAddr>) -> Result<()> {
    let Some(mut address) = address else {
        bail!("admin_listen is none, so there is nothing to ask; name one with --address");
    };
    // One listens on every address, but connects to one.
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client
        .get(format!("http://{address}/livez"))
        .send()
        .await
        .with_context(|| format!("nothing answers on {address}"))?;
    if !answer.status().is_success() {
        bail!("{address} answers {}", answer.status());
    }
    Ok(())
}
