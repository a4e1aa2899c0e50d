//! `serve --split`: on one machine and without containers, a process per group, with a private
//! Postgres and a private NATS server between them.
//!
//! This process hosts no group. It owns what the others share, and each of them gets what is its
//! own and nothing else: one NATS credential, the database of its domain, the sealing keys of its
//! domain, and the signing key in the users group alone.

mod broker;
mod member;
mod merged_log;
mod plan;
mod post;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use futures::{
    FutureExt as _,
    future::{join_all, try_join_all},
};
use nats::{
    Bus,
    accounts::{Credential, Passwords},
};
use rand::distr::{Alphabetic, SampleString as _};
use tokio_util::sync::CancellationToken;

pub(crate) use broker::nats_server;

use self::{broker::Broker, member::Member, merged_log::MergedLog};
use crate::{
    cli::Settings,
    compose,
    config::{Config, Group, Groups, Profile, Split},
    erasures, lifecycle, migrate, operator, provisioner,
    running::{Announcement, Running, RunningProcess},
    sealing,
    serve::{Local, SigningKey},
};

/// The length of a password on the NATS server: 228 random bits.
const PASSWORD_LENGTH: usize = 40;

/// What all processes share.
struct Shared {
    config: Config,
    local: Local,
    broker: Broker,
    bus: Bus,
}

/// Runs every group in a process of its own until a signal stops all.
///
/// # Errors
/// Something could not be started, or a part gave up.
pub(crate) async fn serve(config: Config, split: &Split, settings: &Settings) -> Result<()> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = lifecycle::shutdown_on_signal()?;
    // Not kept: each process binds its own. What is in use now is known before anything starts.
    for (purpose, address) in plan::fixed_addresses(&config, split) {
        let free_ports = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0, which takes free ones";
        drop(lifecycle::bind(address, &purpose, free_ports).await?);
    }
    let passwords = Passwords::new(|_credential| password());
    let log = MergedLog::new(std::io::stderr(), plan::label_width(split));
    let starting = Box::pin(Shared::start(config, &passwords, log.clone(), &shutdown));
    let Some(shared) = starting.await? else { return Ok(()) };
    let plans = shared
        .grants(&passwords)
        .and_then(|grants| plan::all(&shared.config, split, settings, &grants));
    let result = match plans {
        Ok(plans) => {
            let members = plans.into_iter().map(|plan| Member::new(plan, log.clone()));
            let members: Vec<Member> = members.collect();
            let result = Box::pin(run(&shared, &members, &shutdown)).await;
            stop(&members).await;
            result
        }
        Err(error) => Err(error),
    };
    shared.stop().await;
    result
}

impl Shared {
    /// None if `shutdown` came first; nothing runs then, nor after an error.
    async fn start(
        config: Config,
        passwords: &Passwords,
        log: MergedLog,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>> {
        let Some(local) = Box::pin(Local::start(&config, shutdown)).await? else {
            return Ok(None);
        };
        let data_dir = &config.storage.data_dir;
        let any_port = config.http.listen.port() == 0;
        let path = &config.storage.programs.search_path;
        let mut broker = None;
        let starting = Box::pin(async {
            Box::pin(migrate::up(&local.databases(&config))).await?;
            let prepared = Broker::prepare(data_dir, path, any_port, passwords, log).await?;
            let broker = broker.insert(prepared);
            broker.launch().await?;
            let own = Credential::Provisioner;
            let url = broker.url_for(own.name(), passwords.of(own));
            let bus = Bus::jetstream(operator::connection(&url, own).await?, 1);
            bus.provision().await.context("the streams on NATS cannot be asserted")?;
            anyhow::Ok(bus)
        });
        match (shutdown.run_until_cancelled(starting).await, broker) {
            (Some(Ok(bus)), Some(broker)) => Ok(Some(Self { config, local, broker, bus })),
            (unfinished, broker) => {
                if let Some(broker) = broker {
                    broker.stop().await;
                }
                local.stop().await;
                unfinished.transpose().map(|_told_to_stop| None)
            }
        }
    }

    /// What each process may have of what is shared.
    fn grants(&self, passwords: &Passwords) -> Result<plan::Grants> {
        let signing_key = SigningKey::of(&self.config);
        if signing_key.generate {
            // Made here, so that several processes of the users group have the same one.
            users::SigningKey::load_or_create(&signing_key.path)
                .context("the signing key of access tokens")?;
        }
        // As the signing key: one for all processes of a group, and none for the others.
        sealing::generate(&self.config)?;
        let nats_urls = Group::ALL.map(|group| {
            let credential = compose::credential_of(&Groups::of(group));
            (group, self.broker.url_for(credential.name(), passwords.of(credential)))
        });
        self.broker.leave_for_operator(passwords.of(Credential::Operator))?;
        Ok(plan::Grants {
            databases: self.local.databases(&self.config),
            nats_urls: nats_urls.into(),
            signing_key: signing_key.path,
            ledger: erasures::ledger_path(&self.config, Some(&self.config.storage.data_dir))
                .context("the ledger of erasures")?,
            sealing: sealing::grants(&self.config),
        })
    }

    async fn stop(self) {
        let Self { config: _, local, broker, bus } = self;
        drop(bus);
        broker.stop().await;
        local.stop().await;
    }
}

/// Letters alone: what NATS reads as a password under every notation.
fn password() -> String {
    Alphabetic.sample_string(&mut rand::rng(), PASSWORD_LENGTH)
}

/// Starts every process, says where they are, and keeps them running until the end.
async fn run(shared: &Shared, members: &[Member], shutdown: &CancellationToken) -> Result<()> {
    let (gateways, groups): (Vec<&Member>, Vec<&Member>) =
        members.iter().partition(|member| member.group() == Group::Api);
    let mut processes = Vec::new();
    // The gateway answers when there is somebody to ask.
    for wave in [groups, gateways] {
        let starting = try_join_all(wave.into_iter().map(Member::start));
        match shutdown.run_until_cancelled(starting).await {
            None => return Ok(()),
            Some(started) => processes.extend(started?),
        }
    }
    let here = Here::new(shared, processes)?;
    let stopping = shutdown.child_token();
    let kept = members
        .iter()
        .map(|member| member.supervise(&stopping, |process| here.moved(process)).boxed_local());
    let kept = kept.chain([shared
        .broker
        .supervise(&stopping, || here.broker_moved(&shared.broker))
        .boxed_local()]);
    let provisioned = provisioner::run(shared.bus.clone());
    let result = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        lost = shared.local.lost() => Err(lost),
        failed = try_join_all(kept) => failed.map(drop),
        () = provisioned => Ok(()),
    };
    // Whatever ended this: from here on nobody is started again.
    stopping.cancel();
    result
}

/// The gateway first, which then asks nobody any more; then all others at once.
async fn stop(members: &[Member]) {
    let (gateways, groups): (Vec<&Member>, Vec<&Member>) =
        members.iter().partition(|member| member.group() == Group::Api);
    for wave in [gateways, groups] {
        join_all(wave.into_iter().map(Member::stop)).await;
    }
}

/// What `running.json` says, kept current.
struct Here {
    announcement: Announcement,
    running: Mutex<Running>,
}

impl Here {
    fn new(shared: &Shared, processes: Vec<RunningProcess>) -> Result<Self> {
        let gateway = gateway(&processes).context("no gateway was started")?;
        let (listen, admin_listen) = (gateway.listen, gateway.admin_listen);
        let running = Running {
            pid: std::process::id(),
            listen,
            admin_listen,
            postgres_socket_dir: Local::postgres_socket_dir(
                &shared.local.databases(&shared.config),
            ),
            nats_url: Some(shared.broker.url()),
            nats_pid: shared.broker.pid(),
            processes,
        };
        let announcement = Announcement::write(&shared.config.storage.data_dir, &running)
            .context("the data directory cannot be written")?;
        for process in &running.processes {
            let RunningProcess { name, pid, listen, .. } = process;
            tracing::info!(process = name, pid, "http://{listen}");
        }
        ready(listen, &shared.config);
        Ok(Self { announcement, running: Mutex::new(running) })
    }

    /// A process was started again, under another process id and, unless it was given one, on
    /// another port.
    fn moved(&self, process: RunningProcess) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let old = running.processes.iter_mut().find(|old| old.name == process.name);
        if let Some(old) = old {
            *old = process;
        }
        let found = gateway(&running.processes).map(|found| (found.listen, found.admin_listen));
        if let Some((listen, admin_listen)) = found {
            (running.listen, running.admin_listen) = (listen, admin_listen);
        }
        self.say(&running);
    }

    /// The NATS server was started again, under another process id.
    fn broker_moved(&self, broker: &Broker) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.nats_pid = broker.pid();
        self.say(&running);
    }

    fn say(&self, running: &Running) {
        if let Err(error) = self.announcement.update(running) {
            tracing::warn!(%error, "running.json could not be written");
        }
    }
}

/// The process that serves everybody: what the address of the whole instance is taken from.
fn gateway(processes: &[RunningProcess]) -> Option<&RunningProcess> {
    processes.iter().find(|process| process.name.starts_with(Group::Api.name()))
}

fn ready(listen: SocketAddr, config: &Config) {
    let profile = match config.profile {
        Profile::Development => "development",
        Profile::Production => "production",
    };
    tracing::info!(
        %listen,
        profile,
        "ready: http://{listen}, API documentation at http://{listen}/swagger"
    );
}
