//! The second factor of an account: set up, confirmed, removed.

use std::sync::Arc;

use actor_runtime::database;
use contracts::{
    Call, ErrorKind, Refusal, UserId,
    users::{
        ConfirmSecondFactor, EnrolSecondFactor, GetSecondFactor, Password, RecoveryCodes,
        RemoveSecondFactor, RenewRecoveryCodes, SecondFactor, SecondFactorEnrolment, User,
    },
};

use super::{Service, refusal_of};
use crate::{
    mail::Mail,
    passwords::Place,
    policy::Bearer,
    store,
    totp::{self, Authenticator},
    writes::credentials as writes,
};

impl Service {
    /// Whether somebody has a second factor.
    pub(crate) async fn get_second_factor(
        self: Arc<Self>,
        _call: Call,
        request: GetSecondFactor,
    ) -> Result<SecondFactor, Refusal> {
        let GetSecondFactor { user_id } = request;
        let state = database::read(&self.pool, || store::second_factor_state(&self.pool, user_id));
        state.await.map_err(|error| database::refusal(&error))
    }

    /// Begins to set one up. It is asked for once it is confirmed.
    pub(crate) async fn enrol_second_factor(
        self: Arc<Self>,
        call: Call,
        request: EnrolSecondFactor,
    ) -> Result<SecondFactorEnrolment, Refusal> {
        let EnrolSecondFactor { user_id, password } = request;
        // Said before a code is asked for: it would help nobody.
        let state = database::read(&self.pool, || store::second_factor_state(&self.pool, user_id));
        if state.await.map_err(|error| database::refusal(&error))?.enabled {
            return Err(already_enabled());
        }
        let place = self.passwords.reserve()?;
        let owner = self.prove_again(&call, &place, user_id, &password, None).await?;
        drop(place);
        let secret = totp::fresh_secret();
        let authenticator = Authenticator::new(&*secret, &owner.user.email)?;
        let sealed = self.vault.seal_totp(&self.pool, user_id, &*secret).await?;
        let now = self.clock.now();
        let enrolled = writes::enrol_second_factor(&self.pool, &call, user_id, &sealed, now).await;
        if !enrolled.map_err(refusal_of)? {
            return Err(already_enabled());
        }
        let uri = Password::new(authenticator.uri()?);
        Ok(SecondFactorEnrolment { secret: Password::new(authenticator.base32()), uri })
    }

    /// Confirms it by a code, and gives out the recovery codes.
    pub(crate) async fn confirm_second_factor(
        self: Arc<Self>,
        call: Call,
        request: ConfirmSecondFactor,
    ) -> Result<RecoveryCodes, Refusal> {
        let ConfirmSecondFactor { user_id, totp: code } = request;
        let failed = |error: sqlx::Error| database::refusal(&error);
        let stored = database::read(&self.pool, || store::second_factor_read(&self.pool, user_id));
        let stored = stored.await.map_err(failed)?.filter(|stored| !stored.is_confirmed);
        let sealed = stored.ok_or_else(absent)?.secret_sealed;
        let secret = self.vault.open_totp(&self.pool, user_id, &sealed).await?;
        let now = self.clock.now();
        let step = Authenticator::new(&secret, "account")?.step_of(code.expose(), now);
        let step = step.ok_or_else(|| {
            Refusal::invalid("/totp", "is not the present code of the authenticator app")
        })?;
        let (codes, hashes) = fresh_codes(user_id);
        let factor = (sealed.as_slice(), step);
        let confirming =
            writes::confirm_second_factor(&self.pool, &call, user_id, factor, &hashes, now);
        if !confirming.await.map_err(refusal_of)? {
            return Err(absent());
        }
        self.notify_owner(user_id, Mail::SecondFactorAdded).await;
        Ok(codes)
    }

    /// Gives out other recovery codes.
    pub(crate) async fn renew_recovery_codes(
        self: Arc<Self>,
        call: Call,
        request: RenewRecoveryCodes,
    ) -> Result<RecoveryCodes, Refusal> {
        let RenewRecoveryCodes { user_id, password, second_factor } = request;
        let place = self.passwords.reserve()?;
        let proving = self.prove_again(&call, &place, user_id, &password, second_factor.as_ref());
        if !proving.await?.has_second_factor {
            return Err(absent());
        }
        drop(place);
        let (codes, hashes) = fresh_codes(user_id);
        let now = self.clock.now();
        let renewed = writes::renew_recovery_codes(&self.pool, &call, user_id, &hashes, now).await;
        renewed.map_err(refusal_of)?;
        Ok(codes)
    }

    /// Removes the second factor. The password has to be one that is enough by itself.
    pub(crate) async fn remove_second_factor(
        self: Arc<Self>,
        call: Call,
        request: RemoveSecondFactor,
    ) -> Result<(), Refusal> {
        let RemoveSecondFactor { user_id, password, second_factor } = request;
        let place = self.passwords.reserve()?;
        let proving = self.prove_again(&call, &place, user_id, &password, second_factor.as_ref());
        let owner = proving.await?;
        if owner.has_second_factor {
            self.check_alone(&call, &place, &owner.user, &password).await?;
        }
        drop(place);
        let now = self.clock.now();
        let removed =
            writes::remove_second_factor(&self.pool, &call, user_id, owner.has_second_factor, now)
                .await;
        if !removed.map_err(refusal_of)? {
            return Err(absent());
        }
        if owner.has_second_factor {
            self.notify(owner.user.email, Mail::SecondFactorRemoved);
        }
        Ok(())
    }

    /// Whether a password may do without a second factor beside it.
    async fn check_alone(
        &self,
        call: &Call,
        place: &Place<'_>,
        user: &User,
        password: &Password,
    ) -> Result<(), Refusal> {
        let User { email, username, .. } = user;
        let bearer = Bearer { email, username, has_second_factor: false };
        let checked = self.check_password(call, place, "/password", password, bearer).await;
        checked.map_err(|refusal| match refusal.kind {
            ErrorKind::Invalid => Refusal::invalid(
                "/password",
                "is not enough for an account without a second factor; change it first",
            ),
            _ => refusal,
        })
    }

    async fn notify_owner(&self, user_id: UserId, mail: Mail) {
        match database::read(&self.pool, || store::account_read(&self.pool, user_id)).await {
            Ok(Some(user)) => self.notify(user.email, mail),
            Ok(None) => {}
            Err(error) => {
                let cause = database::describe(&error);
                tracing::warn!(%cause, "nobody could be told of a second factor");
            }
        }
    }
}

fn fresh_codes(user_id: UserId) -> (RecoveryCodes, Vec<Vec<u8>>) {
    let codes = totp::fresh_recovery_codes();
    let hashes = codes.iter().map(|code| totp::recovery_code_hash(user_id, code).to_vec());
    let hashes = hashes.collect();
    (RecoveryCodes { codes }, hashes)
}

fn already_enabled() -> Refusal {
    let detail = "The account has a second factor already; remove it first.";
    Refusal::new(ErrorKind::Conflict, "second-factor-enabled", detail)
}

fn absent() -> Refusal {
    let detail = "The account has no second factor, or none that could be confirmed.";
    Refusal::new(ErrorKind::Conflict, "second-factor-absent", detail)
}
