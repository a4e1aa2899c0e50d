//! The users group: accounts, sign-in, profile.
//!
//! It alone knows passwords and alone holds the private signing key; every other group verifies
//! tokens with the public half. Of a person it tells the others one thing, the date of birth, from
//! which predictions take the age: `user.changed` says that it changed, and who may know asks for it.
#![deny(missing_docs)]

mod actor;
mod argon2id;
mod erasures;
mod hashers;
mod keys;
mod ledger;
mod mail;
mod passwords;
mod policy;
mod purge;
mod ring;
mod sealing;
mod service;
mod store;
mod throttle;
mod tokens;
mod totp;
mod validate;
mod vault;
mod writes;

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    clock::Clock,
    idempotency,
    mailroom::Slot,
    relay::{Poke, Relay},
    seal,
    supervisor::{Child, Plan},
};
use chrono::TimeDelta;
use contracts::{Handle, events::Topic, users::UsersMailbox};
use nats::Bus;
use ractor::Actor;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::{
    actor::{UsersActor, UsersArguments},
    erasures::ErasureJob,
    ledger::Keeper,
    passwords::Passwords,
    service::Service,
    throttle::Throttle,
    tokens::TokenIssuer,
    vault::Vault,
};
pub use crate::{
    keys::{KeyError, SigningKey},
    ledger::{
        Enforced, LedgerEntry, LedgerError, LedgerFile, LedgerHead, LedgerText, adopt_ledger,
        enforce_ledger, last_user_id, ledger_apply, ledger_database, ledger_page, pass_user_id,
    },
    mail::{InvalidMailer, MailFailure, Mailer, reset_link},
    passwords::{Argon2Parameters, InvalidArgon2Parameters},
    policy::PasswordPolicy,
    ring::{
        KeyRing, KeyStage, KeyState, RotateError, list as list_keys, retire as retire_keys,
        rotate as rotate_keys,
    },
    sealing::SEALING_EVERY,
    service::{make_reset_token_for, reset_second_factor_for},
    throttle::AddressLimits,
};

/// Most failed attempts that are under way to the audit log: more than can be hashed at once.
const NOTES_MAX: usize = 256;
/// Most mails that are under way at once.
const MAILS_MAX: usize = 32;

/// The migrations of the users database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/users");

/// What the group needs from outside.
pub struct Dependencies {
    /// The users database.
    pub pool: PgPool,
    /// The same database with relaxed commits, for the relay (`database::open_relaxed`).
    pub relay_pool: PgPool,
    /// Where changes are announced.
    pub bus: Bus,
    /// What time it is.
    pub clock: Clock,
    /// How much may be in flight.
    pub admission: AdmissionLimits,
    /// Which passwords may be set; the profile decides.
    pub password_policy: PasswordPolicy,
    /// What this group's own secrets are sealed under.
    pub sealing_keys: seal::KeyRing,
    /// How often it is looked whether another key seals.
    pub sealing_every: Duration,
    /// How many failed attempts one address may cause.
    pub address_limits: AddressLimits,
    /// Where erasures are written down, outside of the database; it was enforced.
    pub ledger: Option<Arc<LedgerFile>>,
    /// How long the audit log is kept.
    pub audit_kept: Duration,
    /// Sends mail, if there is a server for it.
    pub mailer: Option<Mailer>,
    /// What a new password hash costs.
    pub argon2: Argon2Parameters,
    /// What access tokens are signed with.
    pub signing_keys: KeyRing,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
    /// How long an access token is good for.
    pub access_token_ttl: Duration,
}

/// The supervised children of the group, and the way to ask it.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<UsersMailbox>) {
    let poke = Poke::default();
    let erasure_poke = Poke::default();
    let Dependencies { pool, relay_pool, bus, clock, sealing_every, .. } = &dependencies;
    let (pool, relay_pool) = (pool.clone(), relay_pool.clone());
    let (bus, clock, sealing_every) = (bus.clone(), *clock, *sealing_every);
    let relay_of = |topic, poke: &Poke| Relay {
        pool: relay_pool.clone(),
        bus: bus.clone(),
        topic,
        poke: poke.clone(),
    };
    let relay = relay_of(Topic::UserChanged, &poke);
    let erased_relay = relay_of(Topic::UserErased, &erasure_poke);
    let erasures = ErasureJob { pool: pool.clone(), bus, clock, poke: erasure_poke.clone() };
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(dependencies.admission));
    // The service outlives the actor: a restart must not let in a second set of password hashers.
    let (service, signing_keys) = service(dependencies, poke, erasure_poke);
    let ledger = service.ledger.clone();
    let purge = purge::child(&service);
    let sealing = sealing::child(&service, sealing_every);
    let users = actor_child(service, pool, slot);
    // They stop in the reverse order: the relay still carries what the actor wrote last.
    let children = vec![
        relay.child(),
        erased_relay.child(),
        erasures.child(),
        ledger.child(),
        idempotency::purge_child("users", relay_pool),
        purge,
        sealing,
        signing_keys.child(),
        users,
    ];
    (Plan::group("users group", children), handle)
}

/// What answers, and the keys that it signs with.
fn service(
    dependencies: Dependencies,
    poke: Poke,
    erasure_poke: Poke,
) -> (Arc<Service>, Arc<KeyRing>) {
    let Dependencies {
        pool,
        relay_pool: _,
        bus: _,
        clock,
        admission: _,
        password_policy,
        sealing_keys,
        sealing_every: _,
        address_limits,
        audit_kept,
        ledger,
        mailer,
        argon2,
        signing_keys,
        issuer,
        audience,
        access_token_ttl,
    } = dependencies;
    let signing_keys = Arc::new(signing_keys);
    let service = Service {
        clock,
        password_policy,
        vault: Vault::new(sealing_keys),
        throttle: Throttle { limits: address_limits },
        mailer,
        mails: Arc::new(Semaphore::new(MAILS_MAX)),
        notes: Arc::new(Semaphore::new(NOTES_MAX)),
        audit_kept: TimeDelta::from_std(audit_kept).unwrap_or(TimeDelta::MAX),
        passwords: Passwords::new(argon2),
        tokens: TokenIssuer::new(Arc::clone(&signing_keys), issuer, audience, access_token_ttl),
        after_commit: Arc::new(move |_user_id| poke.poke()),
        erasure_poke,
        ledger: Keeper { ledger, pool: pool.clone() },
        pool,
    };
    (Arc::new(service), signing_keys)
}

/// The users actor, as a supervised child.
fn actor_child(service: Arc<Service>, pool: PgPool, slot: Slot<UsersMailbox>) -> Child {
    Child::new("users", move |supervisor| {
        let arguments = UsersArguments { service: Arc::clone(&service), pool: pool.clone() };
        let slot = slot.clone();
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, UsersActor, arguments, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    })
}
