//! The users group: accounts, sign-in, profile.
//!
//! It alone knows passwords and alone holds the private signing key; every other group verifies
//! tokens with the public half. Of a person it tells the others one thing, the date of birth, from
//! which predictions take the age: `user.changed` says that it changed, and who may know asks for it.
#![deny(missing_docs)]

mod actor;
mod argon2id;
mod keys;
mod passwords;
mod service;
mod store;
mod tokens;
mod validate;
mod writes;

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    clock::Clock,
    idempotency,
    mailroom::Slot,
    relay::{Poke, Relay},
    supervisor::{Child, Plan},
};
use contracts::{Handle, events::Topic, users::UsersMailbox};
use nats::Bus;
use ractor::Actor;
use sqlx::PgPool;

use crate::{
    actor::{UsersActor, UsersArguments},
    passwords::Passwords,
    service::Service,
    tokens::TokenIssuer,
};
pub use crate::{
    keys::{KeyError, SigningKey},
    passwords::{Argon2Parameters, InvalidArgon2Parameters},
};

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
    /// Shortest password that may be set, in code points; the profile decides.
    pub password_length_min: usize,
    /// What a new password hash costs.
    pub argon2: Argon2Parameters,
    /// What access tokens are signed with.
    pub signing_key: SigningKey,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
    /// How long an access token is good for.
    pub access_token_ttl: Duration,
}

/// The supervised children of the group, and the way to ask it.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<UsersMailbox>) {
    let Dependencies {
        pool,
        relay_pool,
        bus,
        clock,
        admission,
        password_length_min,
        argon2,
        signing_key,
        issuer,
        audience,
        access_token_ttl,
    } = dependencies;
    let poke = Poke::default();
    let relay =
        Relay { pool: relay_pool.clone(), bus, topic: Topic::UserChanged, poke: poke.clone() };
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(admission));
    // The service outlives the actor: a restart must not let in a second set of password hashers.
    let service = Arc::new(Service {
        pool: pool.clone(),
        clock,
        password_length_min,
        passwords: Passwords::new(argon2),
        tokens: TokenIssuer::new(signing_key, issuer, audience, access_token_ttl),
        after_commit: Arc::new(move |_user_id| poke.poke()),
    });
    let users = Child::new("users", move |supervisor| {
        let arguments = UsersArguments { service: Arc::clone(&service), pool: pool.clone() };
        let slot = slot.clone();
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, UsersActor, arguments, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    // They stop in the reverse order: the relay still carries what the actor wrote last.
    let children = vec![relay.child(), idempotency::purge_child("users", relay_pool), users];
    (Plan::group("users group", children), handle)
}
