//! Passwords after the registration: hashed anew, changed, or set by a link.

use std::sync::Arc;

use actor_runtime::{clock::Clock, database, tasks};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Refusal, Secret, UserId,
    users::{AuditKind, ChangePassword, Password, RequestPasswordReset, ResetPassword},
};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::{Service, proof::invalid_credentials, refusal_of};
use crate::{
    mail::{Mail, Mailer},
    passwords::{Place, StoredHash},
    policy::{self, Bearer},
    store::{self, Credentials, NewAuditEntry, SecretHash},
    validate,
    writes::credentials as writes,
};

/// How long a link counts.
const LINK_COUNTS_FOR: TimeDelta = TimeDelta::minutes(10);

impl Service {
    /// Hashes a password anew that was hashed with other parameters than those that count now. It is
    /// known at this moment alone; if it fails, the next sign-in does it.
    pub(crate) async fn hash_anew(
        &self,
        call: &Call,
        place: &Place<'_>,
        credentials: &Credentials,
        password: Password,
    ) {
        let former = &credentials.password_hash;
        if !self.passwords.is_outdated(former) {
            return;
        }
        let Ok(hash) = place.hash(call.deadline, password).await else { return };
        let user_id = credentials.user.id;
        if let Err(error) = store::password_rehash(&self.pool, user_id, former, &hash).await {
            let cause = database::describe(&error);
            tracing::warn!(%cause, "a password could not be hashed anew");
        }
    }

    /// The hash of a new password, if it is one that may be set.
    pub(crate) async fn hash_of_new(
        &self,
        call: &Call,
        place: &Place<'_>,
        pointer: &'static str,
        password: Password,
        bearer: Bearer<'_>,
    ) -> Result<StoredHash, Refusal> {
        self.check_password(call, place, pointer, &password, bearer).await?;
        place.hash(call.deadline, password).await
    }

    /// Whether a password is one that may be set.
    pub(crate) async fn check_password(
        &self,
        call: &Call,
        place: &Place<'_>,
        pointer: &'static str,
        password: &Password,
        bearer: Bearer<'_>,
    ) -> Result<(), Refusal> {
        let policy = self.password_policy;
        if let Some(error) = policy.check_length(pointer, password, bearer.has_second_factor) {
            return Err(Refusal::invalid(error.pointer, error.detail));
        }
        let (email, username) = (bearer.email.to_owned(), bearer.username.to_owned());
        let has_second_factor = bearer.has_second_factor;
        let checked = policy::normalised(password.clone());
        let is_guessable = move || {
            let bearer = Bearer { email: &email, username: &username, has_second_factor };
            policy.is_guessable(&checked, &bearer)
        };
        if policy.refuses_guessable() && place.compute(call.deadline, is_guessable).await? {
            return Err(policy::guessable(pointer));
        }
        Ok(())
    }

    /// Changes one's own password; every other session ends, personal API tokens among them.
    pub(crate) async fn change_password(
        self: Arc<Self>,
        call: Call,
        request: ChangePassword,
    ) -> Result<(), Refusal> {
        let ChangePassword { user_id, current_password, new_password, second_factor } = request;
        let place = self.passwords.reserve()?;
        let proving =
            self.prove_again(&call, &place, user_id, &current_password, second_factor.as_ref());
        let Credentials { user, password_hash: former, has_second_factor, .. } = proving.await?;
        let bearer = Bearer { email: &user.email, username: &user.username, has_second_factor };
        let hash = self.hash_of_new(&call, &place, "/new_password", new_password, bearer).await?;
        drop(place);
        let now = self.clock.now();
        let changed = writes::change_password(&self.pool, &call, user_id, &former, &hash, now);
        if !changed.await.map_err(refusal_of)? {
            // Somebody changed it at the same time.
            return Err(invalid_credentials());
        }
        self.notify(user.email, Mail::PasswordChanged);
        Ok(())
    }

    /// Sends a link by which a new password can be set, if there is such an account. Whoever asks is
    /// answered before anything of this is looked at, so the answer and its time tell nothing.
    pub(crate) async fn request_password_reset(
        self: Arc<Self>,
        call: Call,
        request: RequestPasswordReset,
    ) -> Result<(), Refusal> {
        let RequestPasswordReset { email } = request;
        let key = self.vault.key(&self.pool).await?;
        self.throttle.count_address(&self.pool, key, call.origin, self.clock.now()).await?;
        let place = Arc::clone(&self.mails).try_acquire_owned();
        let place = place.map_err(|_| Refusal::overloaded())?;
        let entry = NewAuditEntry::of(&call, AuditKind::PasswordResetRequested, self.clock.now());
        tasks::spawn(async move {
            let _until_sent = place;
            if let Err(refusal) = self.send_reset(&email, &entry).await {
                tracing::warn!(code = %refusal.code, "a password reset could not be sent");
            }
        });
        Ok(())
    }

    /// Sets a new password by the token of a link. Every session ends; a second factor stays.
    pub(crate) async fn reset_password(
        self: Arc<Self>,
        call: Call,
        request: ResetPassword,
    ) -> Result<(), Refusal> {
        let ResetPassword { token, new_password } = request;
        let place = self.passwords.reserve()?;
        let now = self.clock.now();
        let key = self.vault.key(&self.pool).await?;
        let Some((token_hash, credentials)) = self.owner_of(&token, now).await? else {
            self.throttle.count_address(&self.pool, key, call.origin, now).await?;
            return Err(invalid_reset_token());
        };
        let Credentials { user, has_second_factor, .. } = credentials;
        let bearer = Bearer { email: &user.email, username: &user.username, has_second_factor };
        let hash = self.hash_of_new(&call, &place, "/new_password", new_password, bearer).await?;
        drop(place);
        let reset = writes::Reset { user: &user, token_hash: &token_hash, hash: &hash, key };
        let now = self.clock.now();
        if !writes::reset_password(&self.pool, &call, &reset, now).await.map_err(refusal_of)? {
            return Err(invalid_reset_token());
        }
        self.notify(user.email, Mail::PasswordChanged);
        Ok(())
    }

    /// Tells somebody of what was done to their account, if mail can be sent; nobody waits for it.
    pub(crate) fn notify(&self, email: String, mail: Mail) {
        let Some(mailer) = self.mailer.clone() else { return };
        let Ok(place) = Arc::clone(&self.mails).try_acquire_owned() else {
            tracing::warn!("too many mails are under way: one is not sent");
            return;
        };
        tasks::spawn(async move {
            let _until_sent = place;
            mailer.send(&email, &mail).await;
        });
    }

    async fn send_reset(&self, email: &str, entry: &NewAuditEntry) -> Result<(), Refusal> {
        let Some(mailer) = &self.mailer else {
            tracing::info!("a password reset was asked for, and no SMTP server is configured");
            return Ok(());
        };
        let now = self.clock.now();
        let key = self.vault.key(&self.pool).await?;
        if !self.throttle.may_send_mail(&self.pool, key, email, now).await? {
            return Ok(());
        }
        let made = make_reset_token(&self.pool, email, entry).await;
        let Some((email, token)) = made.map_err(|error| database::refusal(&error))? else {
            return Ok(());
        };
        mailer.send(&email, &Mail::Reset { token }).await;
        Ok(())
    }

    /// Whose password a token can set.
    async fn owner_of(
        &self,
        token: &Secret,
        now: DateTime<Utc>,
    ) -> Result<Option<(SecretHash, Credentials)>, Refusal> {
        if !token.is_well_formed(Secret::RESET_TOKEN) {
            return Ok(None);
        }
        let hash = hash_of(token);
        let failed = |error: sqlx::Error| database::refusal(&error);
        let user_id = database::read(&self.pool, || store::reset_read(&self.pool, &hash, now));
        let Some(user_id) = user_id.await.map_err(failed)? else { return Ok(None) };
        let read = |user_id: UserId| store::credentials_read(&self.pool, user_id);
        let found = database::read(&self.pool, || read(user_id)).await.map_err(failed)?;
        Ok(found.filter(|found| found.user.is_active).map(|found| (hash, found)))
    }
}

/// Makes a link for the owner of this address, for an operator who has made sure that it is them. It
/// counts once, and for ten minutes. None if there is no such account.
///
/// # Errors
///
/// The database's.
pub async fn make_reset_token_for(
    pool: &PgPool,
    clock: Clock,
    email: &str,
) -> Result<Option<Secret>, sqlx::Error> {
    let entry = NewAuditEntry::of_nobody(AuditKind::PasswordResetRequested, clock.now());
    Ok(make_reset_token(pool, email, &entry).await?.map(|(_, token)| token))
}

/// Takes the second factor of the owner of this address away, who has lost it with its recovery codes,
/// for an operator who has made sure that it is them. The owner is told by mail, if it can be sent. None
/// if there is no such account; otherwise whether it had one.
///
/// # Errors
///
/// The database's.
pub async fn reset_second_factor_for(
    pool: &PgPool,
    clock: Clock,
    mailer: Option<&Mailer>,
    email: &str,
) -> Result<Option<bool>, sqlx::Error> {
    if !validate::is_email(email) {
        return Ok(None);
    }
    let found = database::read(pool, || store::credentials_find(pool, email)).await?;
    let Some(Credentials { user, has_second_factor, .. }) = found else { return Ok(None) };
    let mut transaction = database::begin(pool).await?;
    if has_second_factor {
        let entry = NewAuditEntry::of_nobody(AuditKind::SecondFactorDisabled, clock.now());
        store::audit_insert_in_txn(&mut transaction, user.id, &entry).await?;
    }
    store::second_factor_delete_in_txn(&mut transaction, user.id).await?;
    transaction.commit().await?;
    if let Some(mailer) = mailer.filter(|_| has_second_factor) {
        mailer.send(&user.email, &Mail::SecondFactorRemoved).await;
    }
    Ok(Some(has_second_factor))
}

/// The token, and the address as its owner writes it.
async fn make_reset_token(
    pool: &PgPool,
    email: &str,
    entry: &NewAuditEntry,
) -> Result<Option<(String, Secret)>, sqlx::Error> {
    if !validate::is_email(email) {
        return Ok(None);
    }
    let found = database::read(pool, || store::credentials_find(pool, email)).await?;
    let Some(found) = found.filter(|found| found.user.is_active) else { return Ok(None) };
    let token = Secret::from_random(Secret::RESET_TOKEN, &rand::random());
    let (user_id, expires_at) = (found.user.id, entry.at + LINK_COUNTS_FOR);
    writes::keep_reset(pool, user_id, &hash_of(&token), expires_at, entry).await?;
    Ok(Some((found.user.email, token)))
}

/// What is kept of a token. A plain hash is enough: nobody tries 2²⁵⁶ of them.
fn hash_of(token: &Secret) -> SecretHash {
    Sha256::digest(token.expose()).into()
}

fn invalid_reset_token() -> Refusal {
    Refusal::new(
        ErrorKind::Invalid,
        "reset-token-invalid",
        "The link was used, has run out, or never was one; ask for a new one.",
    )
}
