//! All SQL of the users domain.

mod audit;
mod credentials;
mod erasure;
mod export;
mod revocations;
mod second_factor;
mod sessions;
mod throttle;
mod tokens;

use actor_runtime::{database, seal::DataKey};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    Patch, UserId, Version,
    events::Topic,
    users::{Person, Register, UpdateProfile, User},
};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{passwords::StoredHash, validate};

pub(crate) use audit::{
    NewAuditEntry, audit_count_in_txn, audit_insert_in_txn, audit_list, audit_purge, network_of,
};
pub(crate) use credentials::{
    Credentials, credentials_find, credentials_read, data_key_insert, data_key_read,
    data_key_replace, password_rehash, password_update_in_txn, reset_delete_all_in_txn,
    reset_insert_in_txn, reset_read, reset_use_in_txn,
};
pub(crate) use erasure::{
    account_delete_in_txn, account_last_id, account_lock_in_txn, account_pass_id, erased_list,
    erasure_asked_by, erasure_by_receipt, erasure_done_in_txn, erasure_insert_in_txn,
    erasure_of_user, erasure_wait_in_txn, erasures_due, erasures_events_done,
    erasures_forget_sessions, ledger_list, ledger_since, lineage_read, lineage_write,
    not_erased_of,
};
pub(crate) use export::{
    AccountDetails, account_details_read, data_request_insert_in_txn, data_requests_list,
    data_requests_since_in_txn, signed_in_at_in_txn,
};
pub(crate) use revocations::{Revocations, expired_purge, revocations_list};
pub(crate) use second_factor::{
    recovery_code_use_in_txn, recovery_codes_replace_in_txn, second_factor_confirm_in_txn,
    second_factor_delete_in_txn, second_factor_enrol_in_txn, second_factor_read,
    second_factor_state, second_factor_use,
};
pub(crate) use sessions::{
    FoundSession, IDLE_MAX, NewSignIn, SIGN_IN_MAX, SecretHash, SignInRow,
    live_refresh_token_in_txn, refresh_token_rotate_in_txn, session_end_in_txn,
    session_find_in_txn, session_is_live_in_txn, sessions_end_all_in_txn, sign_in_insert,
    sign_ins_list,
};
pub(crate) use throttle::{
    credentials_purge, throttle_delete_in_txn, throttle_lock_in_txn, throttle_read,
    throttle_take_back_in_txn, throttle_write_in_txn,
};
pub(crate) use tokens::{
    ApiTokenRow, FoundApiToken, NewApiToken, api_token_end_in_txn, api_token_find_in_txn,
    api_token_insert_in_txn, api_token_use_in_txn, api_tokens_list,
};

/// The constraint that holds e-mail addresses apart.
pub(crate) const EMAIL_UNIQUE: &str = "account_email_unique";
/// The constraint that holds user names apart.
pub(crate) const USERNAME_UNIQUE: &str = "account_username_unique";
/// The constraints by which what somebody asks for belongs to an account.
const OF_AN_ACCOUNT: [&str; 2] = ["session_user_id_fkey", "second_factor_user_id_fkey"];

/// An account that is to be made.
pub(crate) struct NewAccount<'a> {
    pub(crate) request: &'a Register,
    pub(crate) password_hash: StoredHash,
    /// Names the account where attempts are counted.
    pub(crate) key: &'a DataKey,
    pub(crate) created_at: DateTime<Utc>,
}

struct AccountRow {
    id: i64,
    email: String,
    username: String,
    first_name: Option<String>,
    last_name: Option<String>,
    date_of_birth: Option<NaiveDate>,
    is_active: bool,
    created_at: DateTime<Utc>,
}

impl From<AccountRow> for User {
    fn from(row: AccountRow) -> Self {
        let AccountRow {
            id,
            email,
            username,
            first_name,
            last_name,
            date_of_birth,
            is_active,
            created_at,
        } = row;
        Self {
            id: UserId::new(id),
            email,
            username,
            first_name,
            last_name,
            date_of_birth,
            created_at,
            is_active,
        }
    }
}

/// Whether something could not be written because the account that it was for is gone.
pub(crate) fn is_of_nobody(error: &sqlx::Error) -> bool {
    database::violated_constraint(error).is_some_and(|it| OF_AN_ACCOUNT.contains(&it))
}

/// Makes an account.
pub(crate) async fn account_insert_in_txn(
    connection: &mut PgConnection,
    account: &NewAccount<'_>,
) -> Result<UserId, sqlx::Error> {
    let NewAccount { request, password_hash, key: _, created_at } = account;
    let Register { email, username, password: _, first_name, last_name, date_of_birth } = request;
    let id = sqlx::query_scalar!(
        r#"INSERT INTO account (email, email_key, username, username_key, password_hash,
                                first_name, last_name, date_of_birth, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
           RETURNING id"#,
        email,
        validate::key_of(email),
        username,
        validate::key_of(username),
        password_hash.as_str(),
        first_name.as_deref(),
        last_name.as_deref(),
        *date_of_birth,
        created_at,
    )
    .fetch_one(connection)
    .await?;
    Ok(UserId::new(id))
}

/// The account as its owner sees it.
pub(crate) async fn account_read(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<User>, sqlx::Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"SELECT id, email, username, first_name, last_name, date_of_birth, is_active, created_at
           FROM account WHERE id = $1"#,
        user_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(User::from))
}

/// The date of birth and the version that it is the state of: one statement, so one snapshot.
pub(crate) async fn person_read(pool: &PgPool, user_id: UserId) -> Result<Person, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT outbox.version AS "version?", account.date_of_birth
           FROM (SELECT $1::bigint AS user_id) owner
           LEFT JOIN outbox ON outbox.topic = $2 AND outbox.user_id = owner.user_id
           LEFT JOIN account ON account.id = owner.user_id"#,
        user_id.get(),
        Topic::UserChanged.name(),
    )
    .fetch_one(pool)
    .await?;
    let version = row.version.map_or(Version::ZERO, Version::new);
    Ok(Person { user_id, version, date_of_birth: row.date_of_birth })
}

/// Whether a profile update changes the date of birth; none if there is no such account. Until the
/// transaction ends nobody else changes it.
pub(crate) async fn date_of_birth_changes_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    date_of_birth: &Patch<NaiveDate>,
) -> Result<Option<bool>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT date_of_birth FROM account WHERE id = $1 FOR NO KEY UPDATE",
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| date_of_birth.apply(row.date_of_birth) != row.date_of_birth))
}

/// The hash of the account's password.
pub(crate) async fn password_hash_read(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Option<StoredHash>, sqlx::Error> {
    let hash =
        sqlx::query_scalar!("SELECT password_hash FROM account WHERE id = $1", user_id.get())
            .fetch_optional(pool)
            .await?;
    Ok(hash.map(StoredHash::new))
}

/// Changes what a profile update names, and returns the account after it.
pub(crate) async fn profile_update_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    update: &UpdateProfile,
    updated_at: DateTime<Utc>,
) -> Result<Option<User>, sqlx::Error> {
    let UpdateProfile { user_id: _, first_name, last_name, date_of_birth } = update;
    let row = sqlx::query_as!(
        AccountRow,
        r#"UPDATE account
           SET first_name    = CASE WHEN $2 THEN first_name    ELSE $3 END,
               last_name     = CASE WHEN $4 THEN last_name     ELSE $5 END,
               date_of_birth = CASE WHEN $6 THEN date_of_birth ELSE $7 END,
               updated_at    = $8
           WHERE id = $1
           RETURNING id, email, username, first_name, last_name, date_of_birth, is_active,
                     created_at"#,
        user_id.get(),
        first_name.is_keep(),
        set_value(first_name).map(String::as_str),
        last_name.is_keep(),
        set_value(last_name).map(String::as_str),
        date_of_birth.is_keep(),
        set_value(date_of_birth).copied(),
        updated_at,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(User::from))
}

fn set_value<T>(patch: &Patch<T>) -> Option<&T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}
