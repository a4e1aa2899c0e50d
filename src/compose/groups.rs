//! The groups: those of this process with their supervised parts, the others by remote handles.

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::AdmissionLimits,
    clock::Clock,
    seal::KeyRing,
    supervisor::{Child, Plan},
};
use anyhow::{Context as _, Result};
use api::Verifier;
use contracts::{
    Handle, analytics::AnalyticsMailbox, cycles::CyclesMailbox,
    notifications::NotificationsMailbox, users::UsersMailbox,
};
use nats::Bus;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{databases::Pools, link::Link};
use crate::{
    config::{Config, Domain, Profile},
    serve::{Launch, SigningKey},
};

/// The groups of this process, ready to be started, and the ways to all others.
pub(super) struct Assembly<'a> {
    launch: &'a Launch,
    link: &'a Link,
    /// The supervised part of each hosted domain, in the order in which they depend on each other.
    pub(super) plans: Vec<Plan>,
    /// The pools of the hosted domains.
    pub(super) pools: Vec<PgPool>,
}

impl<'a> Assembly<'a> {
    /// Nothing yet.
    pub(super) fn new(launch: &'a Launch, link: &'a Link) -> Self {
        Self { launch, link, plans: Vec::new(), pools: Vec::new() }
    }

    /// Puts the hosted groups together, and gives the handles of all.
    ///
    /// # Errors
    /// A hosted group lacks something that it needs.
    pub(super) fn groups(&mut self) -> Result<api::Groups> {
        let users = self.users()?;
        let cycles = self.cycles(&users)?;
        let analytics = self.analytics(&cycles, &users)?;
        let notifications = self.notifications(&analytics, &users)?;
        Ok(api::Groups { users, cycles, analytics, notifications })
    }

    /// What answers other processes for the hosted groups.
    pub(super) fn doors(
        &self,
        groups: &api::Groups,
        verifier: &Arc<Verifier>,
        draining: &CancellationToken,
    ) -> Vec<Child> {
        let api::Groups { users, cycles, analytics, notifications } = groups;
        let door = |domain| match domain {
            Domain::Users => self.link.serve(users, verifier, draining),
            Domain::Cycles => self.link.serve(cycles, verifier, draining),
            Domain::Analytics => self.link.serve(analytics, verifier, draining),
            Domain::Notifications => self.link.serve(notifications, verifier, draining),
        };
        self.launch.config.groups.domains().filter_map(door).collect()
    }

    fn users(&mut self) -> Result<Handle<UsersMailbox>> {
        let Some(pools) = self.pools(Domain::Users)? else {
            return Ok(self.link.remote(self.config(), Domain::Users));
        };
        let bus = self.link.bus.clone();
        let (plan, handle) = users::plan(users_dependencies(self.launch, pools, bus)?);
        self.plans.push(plan);
        Ok(handle)
    }

    fn cycles(&mut self, users: &Handle<UsersMailbox>) -> Result<Handle<CyclesMailbox>> {
        let Some(pools) = self.pools(Domain::Cycles)? else {
            return Ok(self.link.remote(self.config(), Domain::Cycles));
        };
        let (plan, handle) = cycles::plan(cycles::Dependencies {
            pool: pools.main,
            relay_pool: pools.relay,
            bus: self.link.bus.clone(),
            clock: Clock::System,
            admission: admission(self.config()),
            users: users.clone(),
            anti_entropy_every: self.config().limits.anti_entropy,
            retention_every: cycles::RETENTION_EVERY,
            sealing_keys: sealing_keys(self.launch, Domain::Cycles)?,
            sealing_every: cycles::SEALING_EVERY,
        });
        self.plans.push(plan);
        Ok(handle)
    }

    fn analytics(
        &mut self,
        cycles: &Handle<CyclesMailbox>,
        users: &Handle<UsersMailbox>,
    ) -> Result<Handle<AnalyticsMailbox>> {
        let Some(pools) = self.pools(Domain::Analytics)? else {
            return Ok(self.link.remote(self.config(), Domain::Analytics));
        };
        let config = self.config();
        let (plan, handle) = analytics::plan(analytics::Dependencies {
            pool: pools.main,
            relay_pool: pools.relay,
            bus: self.link.bus.clone(),
            clock: Clock::System,
            admission: admission(config),
            cycles: cycles.clone(),
            users: users.clone(),
            late_users_every: analytics::LATE_USERS_EVERY,
            idle: config.analytics.idle,
            live_actors_max: config.analytics.live_actors_max,
            anti_entropy_every: config.limits.anti_entropy,
        });
        self.plans.push(plan);
        Ok(handle)
    }

    fn notifications(
        &mut self,
        analytics: &Handle<AnalyticsMailbox>,
        users: &Handle<UsersMailbox>,
    ) -> Result<Handle<NotificationsMailbox>> {
        let Some(pools) = self.pools(Domain::Notifications)? else {
            return Ok(self.link.remote(self.config(), Domain::Notifications));
        };
        let config = self.config();
        let (plan, handle) = notifications::plan(notifications::Dependencies {
            pool: pools.main,
            bus: self.link.bus.clone(),
            clock: Clock::System,
            admission: admission(config),
            analytics: analytics.clone(),
            users: users.clone(),
            anti_entropy_every: config.limits.anti_entropy,
        });
        self.plans.push(plan);
        Ok(handle)
    }

    /// The database of a domain, if the domain is in this process.
    fn pools(&mut self, domain: Domain) -> Result<Option<Pools>> {
        if !self.config().groups.has_domain(domain) {
            return Ok(None);
        }
        let pools = Pools::open(self.launch, domain)?;
        self.pools.extend([pools.main.clone(), pools.relay.clone()]);
        Ok(Some(pools))
    }

    fn config(&self) -> &'a Config {
        &self.launch.config
    }
}

fn admission(config: &Config) -> AdmissionLimits {
    AdmissionLimits {
        in_flight_max: config.limits.in_flight_per_group,
        in_flight_per_user_max: config.limits.in_flight_per_user,
    }
}

fn sealing_keys(launch: &Launch, domain: Domain) -> Result<KeyRing> {
    launch.sealing.get(&domain).cloned().with_context(|| format!("{domain} has no sealing keys"))
}

fn users_dependencies(launch: &Launch, pools: Pools, bus: Bus) -> Result<users::Dependencies> {
    let config = &launch.config;
    let SigningKey { path, generate } = &launch.signing_key;
    let signing_keys =
        if *generate { users::KeyRing::load_or_create(path) } else { users::KeyRing::load(path) };
    let argon2 = &config.argon2;
    Ok(users::Dependencies {
        pool: pools.main,
        relay_pool: pools.relay,
        bus,
        clock: Clock::System,
        admission: admission(config),
        password_policy: match config.profile {
            Profile::Development => users::PasswordPolicy::DEVELOPMENT,
            Profile::Production => users::PasswordPolicy::STRICT,
        },
        address_limits: users::AddressLimits {
            per_minute: config.limits.failures_per_address_minute,
            per_hour: config.limits.failures_per_address_hour,
        },
        audit_kept: Duration::from_hours(24 * u64::from(config.auth.audit_days)),
        ledger: launch.ledger.clone(),
        mailer: config.mail.mailer()?,
        argon2: users::Argon2Parameters::new(
            argon2.memory_kib,
            argon2.iterations,
            argon2.parallelism,
        )
        .context("argon2")?,
        sealing_keys: sealing_keys(launch, Domain::Users)?,
        sealing_every: users::SEALING_EVERY,
        signing_keys: signing_keys.context("the signing keys of access tokens")?,
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        access_token_ttl: config.auth.access_token_ttl,
    })
}
