//! What changes the users database, each in one transaction.

pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod sessions;

use actor_runtime::{
    clock::Ids,
    database, faults,
    group_commit::{FaultPoints, Write, WriteError},
    idempotency::Fingerprint,
    outbox,
};
use chrono::{DateTime, Utc};
use contracts::{
    Call, ErrorKind, Refusal, UserId, Version,
    events::{Topic, Verb},
    users::{Register, UpdateProfile, User},
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, PgTransaction};

use crate::{
    store::{self, EMAIL_UNIQUE, NewAccount, USERNAME_UNIQUE},
    throttle,
};

/// The fault points of every write of this domain.
pub(crate) const FAULT_POINTS: FaultPoints =
    FaultPoints { before_commit: "users.before_commit", after_commit: "users.after_commit" };

/// Whose idempotency keys those of registrations are: their sender is nobody yet.
pub(crate) const NOBODY: UserId = UserId::new(0);

/// What is kept as the first answer of a registration: what its request does not say already. So
/// nothing about a person is kept where the erasure of an account would not find it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) user_id: UserId,
    pub(crate) created_at: DateTime<Utc>,
}

impl Registered {
    /// The account as it was made by this request.
    pub(crate) fn into_user(self, request: &Register) -> User {
        let Self { user_id, created_at } = self;
        let Register { email, username, password: _, first_name, last_name, date_of_birth } =
            request.clone();
        User {
            id: user_id,
            email,
            username,
            first_name,
            last_name,
            date_of_birth,
            created_at,
            is_active: true,
        }
    }
}

/// Makes an account in a transaction of its own: hashing bounds registrations to a few dozen per
/// second, so there would be nobody to share a group commit with.
///
/// Only a date of birth makes it known to others, as version 1: who gave none has nothing that
/// anybody would have to hear of. The account's row comes first, since it has the id; nobody knows
/// that before the commit, so no other write of this user can be under way.
pub(crate) async fn register(
    pool: &PgPool,
    call: &Call,
    account: &NewAccount<'_>,
    fingerprint: Option<&Fingerprint>,
) -> Result<Registered, WriteError> {
    let mut transaction = database::begin(pool).await?;
    let user_id = match store::account_insert_in_txn(&mut transaction, account).await {
        Ok(user_id) => user_id,
        Err(error) => return Err(taken(&error).map_or_else(|| error.into(), WriteError::from)),
    };
    if account.request.date_of_birth.is_some() {
        bump_in_txn(&mut transaction, user_id, Verb::Recorded, call).await?;
    }
    let registered = Registered { user_id, created_at: account.created_at };
    if let Some(fingerprint) = fingerprint {
        fingerprint.keep_answer(&mut transaction, NOBODY, &registered).await?;
    }
    // Whoever registers from somewhere is the owner there.
    let NewAccount { request, key, created_at, .. } = account;
    let email = &request.email;
    throttle::welcome_in_txn(&mut transaction, key, email, call.origin, *created_at).await?;
    commit(transaction).await?;
    Ok(registered)
}

/// Commits a transaction of one write. If the answer to that is lost, it may have happened.
async fn commit(transaction: PgTransaction<'_>) -> Result<(), WriteError> {
    faults::point(FAULT_POINTS.before_commit);
    transaction.commit().await.map_err(|error| {
        tracing::error!(cause = %database::describe(&error), "a commit is in doubt");
        Refusal::interrupted()
    })?;
    faults::point(FAULT_POINTS.after_commit);
    Ok(())
}

async fn bump_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    verb: Verb,
    call: &Call,
) -> Result<Version, sqlx::Error> {
    outbox::bump_in_txn(connection, user_id, Topic::UserChanged, verb, call, Ids).await
}

/// The conflict behind a violated constraint, if that is what the error is.
fn taken(error: &sqlx::Error) -> Option<Refusal> {
    let (code, detail) = match database::violated_constraint(error)? {
        EMAIL_UNIQUE => ("email-taken", "Another account has this e-mail address."),
        USERNAME_UNIQUE => ("username-taken", "Another account has this user name."),
        _ => return None,
    };
    Some(Refusal::new(ErrorKind::Conflict, code, detail))
}

/// A change of one's own profile.
pub(crate) struct ProfileWrite {
    pub(crate) update: UpdateProfile,
    pub(crate) call: Call,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Write for ProfileWrite {
    type Answer = User;

    fn user_id(&self) -> UserId {
        self.update.user_id
    }

    /// The lock of the account's row decides whether there is anything to tell of, so it comes
    /// before the outbox row. What the event calls it does not say whether a date was withdrawn.
    async fn apply_in_txn(&self, connection: &mut PgConnection) -> Result<User, WriteError> {
        let Self { update, call, fingerprint, updated_at } = self;
        let user_id = update.user_id;
        if let Some(fingerprint) = fingerprint
            && let Some(first) = fingerprint.first_answer(connection, user_id).await?
        {
            return Ok(first);
        }
        let date_of_birth = &update.date_of_birth;
        let changes = store::date_of_birth_changes_in_txn(connection, user_id, date_of_birth);
        if changes.await?.ok_or_else(Refusal::unauthenticated)? {
            bump_in_txn(connection, user_id, Verb::Edited, call).await?;
        }
        let updated = store::profile_update_in_txn(connection, user_id, update, *updated_at);
        let user = updated.await?.ok_or_else(Refusal::unauthenticated)?;
        if let Some(fingerprint) = fingerprint {
            fingerprint.keep_answer(connection, user_id, &user).await?;
        }
        Ok(user)
    }
}
