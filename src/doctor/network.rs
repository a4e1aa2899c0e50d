//! The bus and the ports.

use std::{io, net::SocketAddr, time::Duration};

use nats::{Bus, Connection, Enforcement, NatsOptions, accounts::Credential};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::Check;
use crate::{
    compose::check_credential,
    config::{Config, Domain},
    split,
};

const PATIENCE: Duration = Duration::from_secs(3);
const PORT: u16 = 4222;

/// What a NATS server says of itself before anybody signs in.
#[derive(Deserialize)]
struct ServerInfo {
    version: String,
    #[serde(default)]
    jetstream: bool,
}

/// The broker: there, with JetStream, and letting us in.
pub(super) async fn bus(config: &Config) -> Vec<Check> {
    if config.split.is_some() {
        return vec![match split::nats_server(&config.storage.programs.search_path) {
            Ok(program) => {
                Check::good("bus", format!("a NATS server of its own, {}", program.display()))
            }
            Err(error) => Check::bad("bus", "no NATS server", format!("{error:#}")),
        }];
    }
    let Some(url) = &config.bus.nats_url else {
        return vec![Check::good("bus", "in memory; --nats URL uses a NATS server")];
    };
    let mut checks = Vec::new();
    for address in url.expose_secret().split(',').map(address_of) {
        checks.push(server(&address).await);
    }
    let credential = nats::credential_of(url.expose_secret());
    let options = NatsOptions {
        url: url.expose_secret().to_owned(),
        client_name: "lunation-doctor".to_owned(),
        inbox_prefix: credential.map(Credential::inbox_prefix),
    };
    if let Some(credential) = credential {
        checks.push(permissions(credential, config, url).await);
    }
    checks.push(match timeout(PATIENCE * 2, Connection::connect(options)).await {
        Ok(Ok(connection)) if Bus::jetstream(connection.clone(), 1).is_healthy().await => {
            Check::good("bus", "signed in, streams exist")
        }
        Ok(Ok(_)) => Check::good("bus", "signed in, streams are to be made"),
        Ok(Err(error)) => {
            Check::bad("bus", error.to_string(), "check NATS_URL and its credentials")
        }
        Err(_) => Check::bad("bus", "no answer in time", "check NATS_URL and the server's log"),
    });
    checks
}

/// What a start finds out about the credential, before it does anything else.
async fn permissions(credential: Credential, config: &Config, url: &SecretString) -> Check {
    let name = "NATS credential";
    let advice = "see docs/decisions/0013-one-credential-per-group.md and nats/server.conf";
    match timeout(PATIENCE * 2, check_credential(credential, config, url)).await {
        Ok(Ok(Enforcement::Enforced)) => {
            Check::good(name, format!("{credential} may do what it has to"))
        }
        Ok(Ok(Enforcement::Open)) => {
            Check::good(name, "the server knows no permissions: everybody may do everything")
        }
        Ok(Err(error)) => Check::bad(name, format!("{error:#}"), advice),
        Err(_) => Check::bad(name, "no answer in time", advice),
    }
}

async fn server(address: &str) -> Check {
    let name = format!("NATS {address}");
    let start = "start it with JetStream: nats-server -js";
    match timeout(PATIENCE, info(address)).await {
        Ok(Ok(info)) if info.jetstream => Check::good(name, format!("{}, JetStream", info.version)),
        Ok(Ok(info)) => Check::bad(name, format!("{}, without JetStream", info.version), start),
        Ok(Err(error)) => Check::bad(name, error.to_string(), start),
        Err(_) => Check::bad(name, "no answer in time", start),
    }
}

/// Reads the greeting: `INFO {…}`.
async fn info(address: &str) -> io::Result<ServerInfo> {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(address).await?).read_line(&mut line).await?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "this is no NATS server");
    let json = line.strip_prefix("INFO ").ok_or_else(strange)?;
    serde_json::from_str(json).map_err(|_| strange())
}

/// Host and port of a NATS URL, without its credentials.
fn address_of(url: &str) -> String {
    let url = url.trim();
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place).trim_end_matches('/');
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { place.to_owned() } else { format!("{place}:{PORT}") }
}

/// The SMTP server: there, and letting us in.
pub(super) async fn mail(config: &Config) -> Vec<Check> {
    let name = "mail";
    if !config.groups.has_domain(Domain::Users) {
        return Vec::new();
    }
    let mailer = match config.mail.mailer() {
        Ok(Some(mailer)) => mailer,
        Ok(None) => {
            let found =
                "no SMTP server: no mail is sent, and `lunation users reset-link` makes the links";
            return vec![Check::good(name, found)];
        }
        Err(error) => return vec![Check::bad(name, error.to_string(), "check mail.smtp_url")],
    };
    let advice = "check mail.smtp_url: host, port, password, TLS";
    vec![match timeout(PATIENCE * 2, mailer.test()).await {
        Ok(Ok(())) => Check::good(name, "signed in to the SMTP server"),
        Ok(Err(error)) => Check::bad(name, error.to_string(), advice),
        Err(_) => Check::bad(name, "no answer in time", advice),
    }]
}

/// The ports: free, or taken by the instance that runs on this data directory.
pub(super) async fn ports(config: &Config, running: bool) -> Vec<Check> {
    let mut checks = vec![port("API port", config.http.listen, "--listen", running).await];
    if let Some(address) = config.http.admin_listen {
        checks.push(port("admin port", address, "--admin-listen", running).await);
    }
    checks
}

async fn port(name: &str, address: SocketAddr, flag: &str, running: bool) -> Check {
    match TcpListener::bind(address).await {
        Ok(_) => Check::good(name, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Check::good(name, format!("{address} is in use, and an instance is running"))
        }
        Err(error) => {
            Check::bad(name, format!("{address}: {error}"), format!("choose another with {flag}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address_of;

    #[test]
    fn addresses_lose_their_credentials() {
        for (url, address) in [
            ("nats://127.0.0.1:4333", "127.0.0.1:4333"),
            ("nats://user:pass@host", "host:4222"),
            ("tls://token@host:1/", "host:1"),
            ("host", "host:4222"),
        ] {
            assert_eq!(address_of(url), address);
        }
    }
}
