//! What connects this process with the others: the NATS connection, the bus on it, the groups that
//! it asks over it, and the groups of its own that it answers for.

use std::sync::{Arc, Mutex, PoisonError};

use actor_runtime::{
    background::{self, LoopResult},
    breaker,
    supervisor::Child,
};
use anyhow::{Context as _, Result, bail};
use api::Verifier;
use contracts::{Call, Grant, Handle, Refusal, wire::WireMailbox};
use futures::future::BoxFuture;
use nats::{Bus, Connection, Durable, Enforcement, NatsOptions, accounts::Credential, rpc};
use ractor::SpawnErr;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Domain, Groups, Profile};

/// The connection with the other processes; without NATS there are none.
#[derive(Clone)]
pub(super) struct Link {
    connection: Option<Connection>,
    /// Events.
    pub(super) bus: Bus,
    /// Whether this process makes streams and durables, or finds them made.
    pub(super) provisions: bool,
}

impl Link {
    /// Connects, and makes sure that the streams are there if that is for this process to do.
    ///
    /// # Errors
    /// The server is away or refuses.
    pub(super) async fn open(config: &Config) -> Result<Self> {
        let Some(url) = &config.bus.nats_url else {
            let durables: Vec<Durable> = config.groups.domains().flat_map(durables_of).collect();
            return Ok(Self { connection: None, bus: Bus::memory(&durables), provisions: false });
        };
        let credential = nats::credential_of(url.expose_secret());
        let enforcement = match credential {
            Some(credential) => Some(check_credential(credential, config, url).await?),
            None if config.profile == Profile::Production => bail!(
                "the NATS URL names no user of nats/server.conf; in the production profile each \
                 process has a credential of its own, because who reaches NATS without one may read \
                 everybody's history"
            ),
            None => None,
        };
        if enforcement == Some(Enforcement::Open) {
            tracing::warn!(
                "the NATS server knows no permissions: who reaches it may do everything"
            );
        }
        let options = NatsOptions {
            url: url.expose_secret().to_owned(),
            client_name: format!("lunation-{}", config.groups.label()),
            inbox_prefix: credential.map(Credential::inbox_prefix),
        };
        let connection = Connection::connect(options).await.context("NATS cannot be used")?;
        let bus = Bus::jetstream(connection.clone(), 1);
        let provisions = provisions(credential) && config.groups.domains().next().is_some();
        if provisions {
            bus.provision().await.context("the streams on NATS cannot be asserted")?;
        }
        Ok(Self { connection: Some(connection), bus, provisions })
    }

    /// The connection, where there is one.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The way to a group in another process. A group that hangs must not cost every asker the
    /// whole deadline, so there is a breaker before it.
    pub(super) fn remote<M: WireMailbox>(&self, config: &Config, domain: Domain) -> Handle<M> {
        match &self.connection {
            Some(connection) if config.groups.remote_domains().any(|remote| remote == domain) => {
                breaker::guarded(M::GROUP, rpc::remote(connection))
            }
            Some(_) | None => api::nowhere(),
        }
    }

    /// Answers for a group of this process until `draining`; what is in flight then is finished.
    /// The child has started when the group can be reached.
    pub(super) fn serve<M: WireMailbox>(
        &self,
        handle: &Handle<M>,
        verifier: &Arc<Verifier>,
        draining: &CancellationToken,
    ) -> Option<Child> {
        let connection = self.connection.clone()?;
        let gate: Arc<dyn rpc::Gate> = Arc::new(TokenGate(Arc::clone(verifier)));
        let (handle, draining) = (handle.clone(), draining.clone());
        Some(Child::new(format!("{} requests", M::GROUP), move |supervisor| {
            let (connection, handle) = (connection.clone(), handle.clone());
            let (gate, draining) = (Arc::clone(&gate), draining.clone());
            async move {
                let end = CancellationToken::new();
                let answering = rpc::serve::<M>(&connection, handle, gate, end.clone()).await;
                let answering = answering.map_err(|error| SpawnErr::StartupFailed(error.into()))?;
                let answering = Mutex::new(Some(answering));
                let name = format!("answering for {}", M::GROUP);
                let answers = background::child(name, move |stop| {
                    let answering = answering.lock().unwrap_or_else(PoisonError::into_inner).take();
                    answer_until(answering, end.clone(), stop, draining.clone())
                });
                (answers.start)(supervisor).await
            }
        }))
    }
}

/// Drives what answers for a group. To have finished because of `draining` is no failure: then the
/// supervisor says when to end.
async fn answer_until(
    answering: Option<impl Future<Output = ()>>,
    end: CancellationToken,
    stop: CancellationToken,
    draining: CancellationToken,
) -> LoopResult {
    let Some(answering) = answering else { return Ok(()) };
    tokio::pin!(answering);
    tokio::select! {
        () = &mut answering => return Ok(()),
        () = stop.cancelled() => {}
        () = draining.cancelled() => {}
    }
    end.cancel();
    answering.await;
    stop.cancelled().await;
    Ok(())
}

/// Verifies the token of a request that another process forwards: once more, and by itself.
struct TokenGate(Arc<Verifier>);

impl rpc::Gate for TokenGate {
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Grant>, Refusal>> {
        Box::pin(async move {
            let Some(token) = &call.token else { return Ok(None) };
            self.0.verify(call, token.expose()).await.map(Some)
        })
    }
}

/// Fetches the keys that tokens are verified with before anybody needs them, and hears which
/// sessions end.
pub(super) fn keys_child(verifier: &Arc<Verifier>) -> Child {
    let verifier = Arc::clone(verifier);
    background::child("signing keys", move |stop| {
        let verifier = Arc::clone(&verifier);
        async move {
            let keep = async { tokio::join!(verifier.keep_fresh(), verifier.keep_revocations()) };
            stop.run_until_cancelled(keep).await;
            LoopResult::Ok(())
        }
    })
}

/// Makes sure that the NATS user is the one for these groups and may do what they have to do: a
/// permission that is missing would otherwise look like a time-out, some time later.
pub(crate) async fn check_credential(
    credential: Credential,
    config: &Config,
    url: &SecretString,
) -> Result<Enforcement> {
    let groups = &config.groups;
    let own = credential_of(groups);
    if credential != own && credential != Credential::All {
        bail!("the NATS user {credential} is not for a process with {groups}; use {own}");
    }
    let probed = nats::probe(url.expose_secret(), credential).await;
    let enforcement = probed.context("NATS cannot be used")?;
    if enforcement == Enforcement::Open && config.profile == Profile::Production {
        bail!(
            "the NATS server knows no permissions: who reaches it may do everything; start it with \
             nats/server.conf"
        );
    }
    Ok(enforcement)
}

/// The NATS user of a process with these groups.
pub(crate) fn credential_of(groups: &Groups) -> Credential {
    let mut domains = groups.domains();
    match (groups.has_gateway(), domains.next(), domains.next()) {
        (true, None, _) => Credential::Gateway,
        (false, Some(Domain::Users), None) => Credential::Users,
        (false, Some(Domain::Cycles), None) => Credential::Cycles,
        (false, Some(Domain::Analytics), None) => Credential::Analytics,
        (false, Some(Domain::Notifications), None) => Credential::Notifications,
        _ => Credential::All,
    }
}

/// A group's own credential may use streams and durables, and make none. On a server without our
/// accounts everybody may.
fn provisions(credential: Option<Credential>) -> bool {
    credential.is_none_or(|it| matches!(it, Credential::Provisioner | Credential::All))
}

/// The durables that a domain consumes.
fn durables_of(domain: Domain) -> impl Iterator<Item = Durable> {
    Durable::ALL.into_iter().filter(move |durable| durable.group() == domain.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_provisioner_makes_streams_where_there_are_accounts() {
        for credential in Credential::EVERY {
            let makes = matches!(credential, Credential::Provisioner | Credential::All);
            assert_eq!(provisions(Some(credential)), makes, "{credential}");
        }
        assert!(provisions(None));
    }
}
