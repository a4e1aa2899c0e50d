//! Puts the parts together: databases, bus, groups under one root supervisor, HTTP in front.

use std::time::Duration;

use actor_runtime::{
    admission::AdmissionLimits,
    clock::Clock,
    database::{self, DatabaseOptions},
    supervisor::{Child, Plan, Supervisor},
};
use anyhow::{Context as _, Result};
use contracts::limits;
use nats::{Bus, Durable, JetStreamOptions};
use ractor::{Actor as _, ActorRef};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Domain, Profile},
    front,
    lifecycle::GaveUp,
    provisioner,
    serve::{Launch, SigningKey},
    upkeep,
};

/// Longest wait for the supervisors to stop what they supervise.
const STOP_WAIT: Duration = Duration::from_secs(15);

/// Longest wait for connections to come back to their pools: a database that hangs keeps them.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// A domain's database: for its actors, and with relaxed commits for its relay.
struct Pools {
    main: PgPool,
    relay: PgPool,
}

/// Everything that runs below HTTP.
struct System {
    root: ActorRef<actor_runtime::supervisor::Message>,
    pools: Vec<PgPool>,
    groups: api::Groups,
    gave_up: CancellationToken,
}

/// Runs the groups and serves HTTP until `launch.shutdown` is cancelled or the root gives up.
///
/// # Errors
/// Something could not be started; or a group failed more often than the root bears.
pub(crate) async fn serve(launch: Launch) -> Result<()> {
    let shutdown = launch.shutdown.clone();
    let system = System::start(&launch).await?;
    let served = front::serve(launch, system.groups.clone());
    tokio::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = system.gave_up.cancelled() => {
            shutdown.cancel();
            let stopped = served.await;
            stopped.and(Err(GaveUp("a group failed more often than its supervisor bears".to_owned()).into()))
        }
    };
    system.stop().await;
    result
}

impl System {
    async fn start(launch: &Launch) -> Result<Self> {
        let config = &launch.config;
        let bus = open_bus(config).await?;
        let users_pools = open_pools(launch, Domain::Users)?;
        let cycles_pools = open_pools(launch, Domain::Cycles)?;
        let analytics_pools = open_pools(launch, Domain::Analytics)?;
        let notifications_pools = open_pools(launch, Domain::Notifications)?;
        let (users_plan, users) = users::plan(users_dependencies(launch, &users_pools)?);
        let (cycles_plan, cycles) = cycles::plan(cycles::Dependencies {
            pool: cycles_pools.main.clone(),
            relay_pool: cycles_pools.relay.clone(),
            bus: bus.clone(),
            clock: Clock::System,
            admission: admission(config),
        });
        let (analytics_plan, analytics) = analytics::plan(analytics::Dependencies {
            pool: analytics_pools.main.clone(),
            relay_pool: analytics_pools.relay.clone(),
            bus: bus.clone(),
            clock: Clock::System,
            admission: admission(config),
            cycles: cycles.clone(),
            idle: config.analytics.idle,
            live_actors_max: config.analytics.live_actors_max,
            anti_entropy_every: config.limits.anti_entropy,
        });
        let (notifications_plan, notifications) =
            notifications::plan(notifications::Dependencies {
                pool: notifications_pools.main.clone(),
                bus: bus.clone(),
                clock: Clock::System,
                admission: admission(config),
                analytics: analytics.clone(),
                anti_entropy_every: config.limits.anti_entropy,
            });
        let gave_up = CancellationToken::new();
        // They stop in the reverse order: what consumes before what is consumed.
        let mut children = vec![provisioner::child(bus), upkeep::child(launch.metrics.clone())];
        let plans = [users_plan, cycles_plan, analytics_plan, notifications_plan];
        children.extend(plans.into_iter().map(Child::supervisor));
        let plan = Plan::root(children, gave_up.clone());
        let (root, _join) = Supervisor::spawn(None, Supervisor, plan)
            .await
            .map_err(|error| anyhow::anyhow!("the groups could not be started: {error}"))?;
        let pools = [users_pools, cycles_pools, analytics_pools, notifications_pools]
            .into_iter()
            .flat_map(|pools| [pools.main, pools.relay])
            .collect();
        let groups = api::Groups { users, cycles, analytics, notifications };
        Ok(Self { root, pools, groups, gave_up })
    }

    async fn stop(self) {
        if self.root.stop_and_wait(None, Some(STOP_WAIT)).await.is_err() {
            tracing::warn!("the groups did not stop in time");
        }
        let closed = futures::future::join_all(self.pools.iter().map(PgPool::close));
        if tokio::time::timeout(CLOSE_WAIT, closed).await.is_err() {
            tracing::warn!("a database did not let go of its connections in time");
        }
    }
}

async fn open_bus(config: &Config) -> Result<Bus> {
    let Some(url) = &config.bus.nats_url else {
        return Ok(Bus::memory(&Durable::ALL));
    };
    let options = JetStreamOptions {
        url: url.expose_secret().to_owned(),
        client_name: "lunation".to_owned(),
        replicas: 1,
    };
    let bus = Bus::jetstream(options).await.context("NATS cannot be used")?;
    bus.provision().await.context("the streams on NATS cannot be asserted")?;
    Ok(bus)
}

fn open_pools(launch: &Launch, domain: Domain) -> Result<Pools> {
    let url = launch.databases.get(&domain);
    let url = url.with_context(|| format!("{domain} has no database"))?;
    let options = DatabaseOptions {
        url: url.expose_secret().to_owned(),
        connections_max: launch.config.databases.pool_max,
        application_name: format!("lunation-{domain}"),
    };
    // The error's own text may hold the URL.
    let unusable = |_| anyhow::anyhow!("the database URL of {domain} cannot be used");
    Ok(Pools {
        main: database::open(&options).map_err(unusable)?,
        relay: database::open_relaxed(&options).map_err(unusable)?,
    })
}

fn admission(config: &Config) -> AdmissionLimits {
    AdmissionLimits {
        in_flight_max: config.limits.in_flight_per_group,
        in_flight_per_user_max: config.limits.in_flight_per_user,
    }
}

fn users_dependencies(launch: &Launch, pools: &Pools) -> Result<users::Dependencies> {
    let config = &launch.config;
    let SigningKey { path, generate } = &launch.signing_key;
    let signing_key = if *generate {
        users::SigningKey::load_or_create(path)
    } else {
        users::SigningKey::load(path)
    };
    let argon2 = &config.argon2;
    Ok(users::Dependencies {
        pool: pools.main.clone(),
        clock: Clock::System,
        admission: admission(config),
        password_length_min: match config.profile {
            Profile::Development => limits::PASSWORD_LENGTH_MIN_DEVELOPMENT,
            Profile::Production => limits::PASSWORD_LENGTH_MIN,
        },
        argon2: users::Argon2Parameters::new(
            argon2.memory_kib,
            argon2.iterations,
            argon2.parallelism,
        )
        .context("argon2")?,
        signing_key: signing_key.context("the signing key of access tokens")?,
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        access_token_ttl: config.auth.access_token_ttl,
    })
}
