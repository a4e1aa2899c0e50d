//! The users group: accounts, sign-in, profile.
//!
//! It alone knows passwords and alone holds the private signing key; every other group verifies
//! tokens with the public half. It publishes no event yet, so it has no outbox.
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
    supervisor::{Child, Plan},
};
use contracts::{Handle, users::UsersMailbox};
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
        clock,
        admission,
        password_length_min,
        argon2,
        signing_key,
        issuer,
        audience,
        access_token_ttl,
    } = dependencies;
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(admission));
    let purge = idempotency::purge_child("users", pool.clone());
    // The service outlives the actor: a restart must not let in a second set of password hashers.
    let service = Arc::new(Service {
        pool: pool.clone(),
        clock,
        password_length_min,
        passwords: Passwords::new(argon2),
        tokens: TokenIssuer::new(signing_key, issuer, audience, access_token_ttl),
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
    (Plan::group("users group", vec![users, purge]), handle)
}
