//! What the users group does, one method per request.

mod audit;
mod credentials;
pub(crate) mod erasure;
mod export;
mod proof;
mod second_factor;
mod sessions;
mod tokens;

use std::{borrow::Cow, sync::Arc};

use actor_runtime::{
    clock::Clock,
    database,
    group_commit::{AfterCommit, WriteError},
    idempotency::Fingerprint,
    outbox,
    relay::Poke,
};
use chrono::TimeDelta;
use contracts::{
    Call, ErrorKind, Refusal,
    events::{ChangedPage, Topic},
    health::{Check, GroupHealth},
    users::{
        GetPerson, GetProfile, ListUsersChanged, Login, Password, Person, Register, Session,
        SigningKeys, UpdateProfile, User,
    },
};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::{
    ledger::Keeper,
    mail::Mailer,
    passwords::{Passwords, Place},
    policy::{Bearer, PasswordPolicy},
    store::{self, Credentials, NewAccount},
    throttle::Throttle,
    tokens::TokenIssuer,
    validate,
    vault::Vault,
    writes::{self, NOBODY, ProfileWrite, Registered},
};

pub use credentials::{make_reset_token_for, reset_second_factor_for};
use proof::{Proof, invalid_credentials};

/// The users domain without its mailbox.
pub(crate) struct Service {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) password_policy: PasswordPolicy,
    pub(crate) passwords: Passwords,
    pub(crate) vault: Vault,
    pub(crate) throttle: Throttle,
    /// Sends mail, if there is a server for it.
    pub(crate) mailer: Option<Mailer>,
    /// How many mails may be under way.
    pub(crate) mails: Arc<Semaphore>,
    pub(crate) tokens: TokenIssuer,
    /// How many failed attempts may be under way to the audit log.
    pub(crate) notes: Arc<Semaphore>,
    /// How long the audit log is kept.
    pub(crate) audit_kept: TimeDelta,
    /// Wakes the relay.
    pub(crate) after_commit: AfterCommit,
    /// Wakes the relay of `user.erased`.
    pub(crate) erasure_poke: Poke,
    /// Writes down who was erased, outside of the database.
    pub(crate) ledger: Keeper,
}

impl Service {
    /// Makes an account.
    pub(crate) async fn register(&self, call: &Call, request: &Register) -> Result<User, Refusal> {
        validate::registration(request, self.password_policy, self.clock.latest_today())?;
        let fingerprint = Fingerprint::of(call, &without_password(request))?;
        let fingerprint = fingerprint.as_ref();
        let place = self.passwords.reserve()?;
        if let Some(first) = self.first_registration(fingerprint).await? {
            return self.answer_again(call, &place, request, first).await;
        }
        let Register { email, username, password, .. } = request;
        let bearer = Bearer { email, username, has_second_factor: false };
        let hashing = self.hash_of_new(call, &place, "/password", password.clone(), bearer);
        let password_hash = hashing.await?;
        let key = self.vault.key(&self.pool).await?;
        let account = NewAccount { request, password_hash, key, created_at: self.clock.now() };
        match writes::register(&self.pool, call, &account, fingerprint).await {
            Ok(registered) => {
                (self.after_commit)(registered.user_id);
                Ok(registered.into_user(request))
            }
            Err(WriteError::Database(error)) => Err(database::refusal(&error)),
            // What stands in the way may be this very request, sent twice at the same time.
            Err(error) => match self.first_registration(fingerprint).await? {
                Some(first) => self.answer_again(call, &place, request, first).await,
                None => Err(refusal_of(error)),
            },
        }
    }

    /// Signs somebody in. An unknown address, a wrong password and an account that cannot be used
    /// are one and the same answer, after the same work.
    pub(crate) async fn login(&self, call: &Call, request: Login) -> Result<Session, Refusal> {
        let Login { email, password, second_factor, device } = request;
        let device = device.as_deref().and_then(validate::label);
        let device = device.as_deref();
        let place = self.passwords.reserve()?;
        let proof = Proof { password: &password, second_factor: second_factor.as_ref(), device };
        let found = self.prove_address(call, &place, &email, proof).await?;
        self.hash_anew(call, &place, &found, password).await;
        // Others may hash while this waits for the disk.
        drop(place);
        let Credentials { user, version, .. } = found;
        let session = self.open_session(call, user, version, device).await?;
        session.ok_or_else(invalid_credentials)
    }

    /// One's own profile. Who has none was erased, and their token outlived them.
    pub(crate) async fn get_profile(&self, request: &GetProfile) -> Result<User, Refusal> {
        let GetProfile { user_id } = request;
        let found = database::read(&self.pool, || store::account_read(&self.pool, *user_id));
        found.await.map_err(|error| database::refusal(&error))?.ok_or_else(Refusal::unauthenticated)
    }

    /// The write that changes one's own profile.
    pub(crate) fn update_profile(
        &self,
        call: &Call,
        update: UpdateProfile,
    ) -> Result<ProfileWrite, Refusal> {
        validate::profile(&update, self.clock.latest_today())?;
        let fingerprint = Fingerprint::of(call, &update)?;
        let (call, updated_at) = (call.clone(), self.clock.now());
        Ok(ProfileWrite { update, call, fingerprint, updated_at })
    }

    /// What prediction needs to know of a person.
    pub(crate) async fn get_person(&self, request: GetPerson) -> Result<Person, Refusal> {
        let GetPerson { user_id } = request;
        let found = database::read(&self.pool, || store::person_read(&self.pool, user_id));
        found.await.map_err(|error| database::refusal(&error))
    }

    /// Whose state changed, for whoever may have missed it.
    pub(crate) async fn list_changed(
        &self,
        request: ListUsersChanged,
    ) -> Result<ChangedPage, Refusal> {
        let ListUsersChanged(changed_since) = request;
        let topic = Topic::UserChanged;
        let read = || outbox::changed_since(&self.pool, topic, &changed_since);
        database::read(&self.pool, read).await.map_err(|error| database::refusal(&error))
    }

    /// The public keys.
    pub(crate) fn signing_keys(&self) -> Result<SigningKeys, Refusal> {
        self.tokens.signing_keys(self.clock.now())
    }

    /// Whether what the group needs is there.
    pub(crate) async fn check(&self) -> GroupHealth {
        let healthy = database::is_healthy(&self.pool).await;
        GroupHealth { checks: vec![Check { name: Cow::Borrowed("database"), healthy }] }
    }

    /// The account that an earlier request with this key has made.
    async fn first_registration(
        &self,
        fingerprint: Option<&Fingerprint>,
    ) -> Result<Option<Registered>, Refusal> {
        let Some(fingerprint) = fingerprint else { return Ok(None) };
        let connection = self.pool.acquire().await;
        let mut connection = connection.map_err(|error| database::refusal(&error))?;
        fingerprint.first_answer(&mut connection, NOBODY).await.map_err(refusal_of)
    }

    /// Answers a repeated registration as the first time. Its fingerprint says nothing about the
    /// password, so the password is held against the account.
    async fn answer_again(
        &self,
        call: &Call,
        place: &Place<'_>,
        request: &Register,
        first: Registered,
    ) -> Result<User, Refusal> {
        let stored =
            database::read(&self.pool, || store::password_hash_read(&self.pool, first.user_id));
        let stored = stored.await.map_err(|error| database::refusal(&error))?;
        if place.verify(call.deadline, request.password.clone(), stored).await? {
            Ok(first.into_user(request))
        } else {
            Err(Refusal::new(
                ErrorKind::Invalid,
                "idempotency-key-reused",
                "This Idempotency-Key was used with another request.",
            ))
        }
    }
}

/// The request without its password: a fast hash of a password could be guessed.
fn without_password(request: &Register) -> Register {
    Register { password: Password::new(String::new()), ..request.clone() }
}

fn refusal_of(error: WriteError) -> Refusal {
    match error {
        WriteError::Refused(refusal) => refusal,
        WriteError::Raced => Refusal::overloaded(),
        // The account that it was for was erased meanwhile.
        WriteError::Database(error) if store::is_of_nobody(&error) => Refusal::unauthenticated(),
        WriteError::Database(error) => database::refusal(&error),
    }
}
