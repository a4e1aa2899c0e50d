//! What the users group does, one method per request.

use std::borrow::Cow;

use actor_runtime::{
    clock::Clock,
    database,
    group_commit::{AfterCommit, WriteError},
    idempotency::Fingerprint,
    outbox,
};
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

use crate::{
    passwords::{Passwords, Place},
    store::{self, NewAccount},
    tokens::TokenIssuer,
    validate,
    writes::{self, NOBODY, ProfileWrite, Registered},
};

/// The users domain without its mailbox.
pub(crate) struct Service {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) password_length_min: usize,
    pub(crate) passwords: Passwords,
    pub(crate) tokens: TokenIssuer,
    /// Wakes the relay.
    pub(crate) after_commit: AfterCommit,
}

impl Service {
    /// Makes an account.
    pub(crate) async fn register(&self, call: &Call, request: &Register) -> Result<User, Refusal> {
        validate::registration(request, self.password_length_min, self.clock.latest_today())?;
        let fingerprint = Fingerprint::of(call, &without_password(request))?;
        let fingerprint = fingerprint.as_ref();
        let place = self.passwords.reserve()?;
        if let Some(first) = self.first_registration(fingerprint).await? {
            return self.answer_again(call, &place, request, first).await;
        }
        let password_hash = place.hash(call.deadline, request.password.clone()).await?;
        let account = NewAccount { request, password_hash, created_at: self.clock.now() };
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
        let Login { email, password } = request;
        let place = self.passwords.reserve()?;
        // What is no address is nobody's; it may hold characters that the database cannot.
        let found = if validate::is_email(&email) {
            let found = database::read(&self.pool, || store::credentials_find(&self.pool, &email));
            found.await.map_err(|error| database::refusal(&error))?
        } else {
            None
        };
        let (user, stored) = found.map(|found| (found.user, found.password_hash)).unzip();
        let proven = place.verify(call.deadline, password, stored).await?;
        let Some(user) = user.filter(|user| proven && user.is_active) else {
            return Err(invalid_credentials());
        };
        let token = self.tokens.issue(user.id, self.clock)?;
        Ok(Session { access_token: token.text, expires_in_seconds: token.expires_in_seconds, user })
    }

    /// One's own profile.
    pub(crate) async fn get_profile(&self, request: &GetProfile) -> Result<User, Refusal> {
        let GetProfile { user_id } = request;
        let found = database::read(&self.pool, || store::account_read(&self.pool, *user_id));
        found.await.map_err(|error| database::refusal(&error))?.ok_or_else(Refusal::not_found)
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
        self.tokens.signing_keys()
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
        WriteError::Database(error) => database::refusal(&error),
    }
}

fn invalid_credentials() -> Refusal {
    Refusal::new(
        ErrorKind::Unauthenticated,
        "invalid-credentials",
        "There is no account with this e-mail address and password.",
    )
}
