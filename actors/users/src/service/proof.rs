//! How somebody proves to be the owner of an account: the password, the second factor if there is
//! one, and not too many attempts.

use actor_runtime::database;
use contracts::{
    Call, ErrorKind, Refusal, UserId,
    users::{AuditKind, Password, SecondFactorCode},
};

use super::{Service, refusal_of};
use crate::{
    passwords::Place,
    store::{self, Credentials, NewAuditEntry},
    throttle::Attempt,
    totp::{self, Authenticator},
    validate,
    writes::credentials as writes,
};

/// What somebody proves it with.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a> {
    pub(crate) password: &'a Password,
    pub(crate) second_factor: Option<&'a SecondFactorCode>,
    /// What the client calls itself, if it is in no session.
    pub(crate) device: Option<&'a str>,
}

impl Service {
    /// By the address, to sign in. An unknown address, a wrong password and an account that cannot
    /// be used are one and the same answer, after the same work.
    pub(crate) async fn prove_address(
        &self,
        call: &Call,
        place: &Place<'_>,
        email: &str,
        proof: Proof<'_>,
    ) -> Result<Credentials, Refusal> {
        let attempt = self.begin_attempt(call, email).await?;
        // What is no address is nobody's; it may hold characters that the database cannot.
        let found = if validate::is_email(email) {
            let found = database::read(&self.pool, || store::credentials_find(&self.pool, email));
            found.await.map_err(|error| database::refusal(&error))?
        } else {
            None
        };
        self.judge(call, place, attempt, found, proof).await
    }

    /// Once more, by somebody who is signed in: before what cannot be taken back.
    pub(crate) async fn prove_again(
        &self,
        call: &Call,
        place: &Place<'_>,
        user_id: UserId,
        password: &Password,
        second_factor: Option<&SecondFactorCode>,
    ) -> Result<Credentials, Refusal> {
        let found = database::read(&self.pool, || store::credentials_read(&self.pool, user_id));
        let found = found.await.map_err(|error| database::refusal(&error))?;
        // The token outlived the account.
        let found = found.ok_or_else(Refusal::unauthenticated)?;
        let attempt = self.begin_attempt(call, &found.user.email).await?;
        let proof = Proof { password, second_factor, device: None };
        let proven = self.judge(call, place, attempt, Some(found), proof).await;
        proven.map_err(|refusal| {
            if refusal != invalid_credentials() {
                return refusal;
            }
            Refusal { detail: "The password is wrong.".into(), ..refusal }
        })
    }

    /// Forgets the attempts for an account that is gone. They hold nothing that names anybody, and
    /// would be forgotten by themselves: if it fails, it is said and no more.
    pub(crate) async fn forget_attempts(&self, call: &Call, email: &str) {
        let forgetting = async {
            let key = self.vault.key(&self.pool).await?;
            self.throttle.forget(&self.pool, key, email, call.origin).await
        };
        if let Err(refusal) = forgetting.await {
            tracing::warn!(code = %refusal.code, "attempts for an erased account are still counted");
        }
    }

    async fn begin_attempt(&self, call: &Call, email: &str) -> Result<Attempt, Refusal> {
        let key = self.vault.key(&self.pool).await?;
        self.throttle.begin(&self.pool, key, email, call.origin, self.clock.now()).await
    }

    /// A failure of ours leaves the attempt counted, where it is counted beforehand: forgiving it
    /// would need the database that may have failed.
    async fn judge(
        &self,
        call: &Call,
        place: &Place<'_>,
        attempt: Attempt,
        found: Option<Credentials>,
        proof: Proof<'_>,
    ) -> Result<Credentials, Refusal> {
        let Proof { password, second_factor, device } = proof;
        let note = |user_id, kind| {
            let entry = NewAuditEntry::of(call, kind, self.clock.now());
            let device = device.map(str::to_owned);
            self.note_failure(user_id, NewAuditEntry { device, ..entry });
        };
        let owner = found.as_ref().map(|found| found.user.id);
        let stored = found.as_ref().map(|found| found.password_hash.clone());
        let is_right = place.verify(call.deadline, password.clone(), stored).await?;
        let Some(found) = found.filter(|found| is_right && found.user.is_active) else {
            attempt.failed(&self.pool, self.clock.now()).await?;
            if let Some(user_id) = owner {
                let is_in_session = call.session.is_some();
                let (again, first) = (AuditKind::PasswordFailed, AuditKind::SignInFailed);
                note(user_id, if is_in_session { again } else { first });
            }
            return Err(invalid_credentials());
        };
        if found.has_second_factor {
            let Some(code) = second_factor else {
                attempt.withdrawn(&self.pool, self.clock.now()).await?;
                note(found.user.id, AuditKind::SecondFactorAsked);
                return Err(second_factor_required());
            };
            if !self.second_factor_is_right(call, &found, code, device).await? {
                attempt.failed(&self.pool, self.clock.now()).await?;
                note(found.user.id, AuditKind::SecondFactorFailed);
                return Err(second_factor_required());
            }
        }
        attempt.succeeded(&self.pool, self.clock.now()).await?;
        Ok(found)
    }

    /// Takes the code, if it is one: no code counts twice.
    async fn second_factor_is_right(
        &self,
        call: &Call,
        found: &Credentials,
        code: &SecondFactorCode,
        device: Option<&str>,
    ) -> Result<bool, Refusal> {
        let user_id = found.user.id;
        match code {
            SecondFactorCode::Totp(code) => {
                let Some(step) = self.step_of(found, code).await? else { return Ok(false) };
                let used = store::second_factor_use(&self.pool, user_id, step).await;
                used.map_err(|error| database::refusal(&error))
            }
            SecondFactorCode::RecoveryCode(code) => {
                let hash = totp::recovery_code_hash(user_id, code);
                let entry = NewAuditEntry::of(call, AuditKind::RecoveryCodeUsed, self.clock.now());
                let entry = NewAuditEntry { device: device.map(str::to_owned), ..entry };
                let used = writes::use_recovery_code(&self.pool, user_id, &hash, &entry).await;
                used.map_err(refusal_of)
            }
        }
    }

    async fn step_of(&self, found: &Credentials, code: &Password) -> Result<Option<i64>, Refusal> {
        let user_id = found.user.id;
        let stored = database::read(&self.pool, || store::second_factor_read(&self.pool, user_id));
        let stored = stored.await.map_err(|error| database::refusal(&error))?;
        let Some(stored) = stored.filter(|stored| stored.is_confirmed) else { return Ok(None) };
        let secret = self.vault.open_totp(&self.pool, user_id, &stored.secret_sealed).await?;
        let authenticator = Authenticator::new(&secret, &found.user.email)?;
        Ok(authenticator.step_of(code.expose(), self.clock.now()))
    }
}

/// The one answer to whoever does not prove it.
pub(crate) fn invalid_credentials() -> Refusal {
    Refusal::new(
        ErrorKind::Unauthenticated,
        "invalid-credentials",
        "There is no account with this e-mail address and password.",
    )
}

fn second_factor_required() -> Refusal {
    Refusal::new(
        ErrorKind::Unauthenticated,
        "second-factor-required",
        "The password is right; send a code of the authenticator app, or a recovery code, too.",
    )
}
