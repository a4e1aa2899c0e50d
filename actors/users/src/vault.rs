//! The key of this group's own secrets: it seals second factors, and it names throttled accounts and
//! addresses. It lies in the database, wrapped under a key that does not.

use actor_runtime::{
    database,
    seal::{DataKey, KeyRing, Place, SealError},
};
use contracts::{Refusal, UserId};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::store;

/// Whose the key is: it is the group's, and ids of people begin with 1.
const NOBODY: UserId = UserId::new(0);

/// Knows the key once somebody asked for it.
pub(crate) struct Vault {
    ring: KeyRing,
    key: OnceCell<DataKey>,
}

impl Vault {
    /// Over the keys from outside the database.
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring, key: OnceCell::new() }
    }

    /// Seals the shared secret of somebody's second factor.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    pub(crate) async fn seal_totp(
        &self,
        pool: &PgPool,
        user_id: UserId,
        secret: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        self.key(pool).await?.seal(&totp_of(user_id), secret).map_err(refusal)
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// The key cannot be had, or it was not sealed with it for this person.
    pub(crate) async fn open_totp(
        &self,
        pool: &PgPool,
        user_id: UserId,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        self.key(pool).await?.open(&totp_of(user_id), sealed).map_err(refusal)
    }

    /// The key, made when it is first asked for. If it is wrapped under a key that seals no longer,
    /// it is wrapped anew.
    ///
    /// # Errors
    ///
    /// The database is away, or the key is wrapped under one that is not known here.
    pub(crate) async fn key(&self, pool: &PgPool) -> Result<&DataKey, Refusal> {
        self.key.get_or_try_init(|| self.load(pool)).await
    }

    /// Wraps the key anew if another key from outside seals by now: after a rotation, without a
    /// restart, and whether or not anybody has asked for it here. Says whether it was.
    ///
    /// # Errors
    ///
    /// As [`Vault::key`].
    pub(crate) async fn keep_wrapped(&self, pool: &PgPool) -> Result<bool, Refusal> {
        if let Err(error) = self.ring.reload() {
            tracing::warn!(%error, "the sealing keys cannot be read again");
        }
        let wrapped = database::read(pool, || store::data_key_read(pool)).await;
        let Some(wrapped) = wrapped.map_err(|error| database::refusal(&error))? else {
            return Ok(false);
        };
        let key = self.ring.unwrap_key(NOBODY, &wrapped).map_err(refusal)?;
        self.wrap_anew(pool, &wrapped, &key).await
    }

    /// Of two who make one at the same time both find the one that was kept.
    async fn read_or_make(&self, pool: &PgPool) -> Result<Vec<u8>, Refusal> {
        let failed = |error: sqlx::Error| database::refusal(&error);
        let read = || database::read(pool, || store::data_key_read(pool));
        if let Some(wrapped) = read().await.map_err(failed)? {
            return Ok(wrapped);
        }
        let fresh = self.ring.wrap_key(NOBODY, &DataKey::generate()).map_err(refusal)?;
        store::data_key_insert(pool, &fresh).await.map_err(failed)?;
        read().await.map_err(failed)?.ok_or_else(Refusal::internal)
    }

    async fn load(&self, pool: &PgPool) -> Result<DataKey, Refusal> {
        let wrapped = self.read_or_make(pool).await?;
        let key = self.ring.unwrap_key(NOBODY, &wrapped).map_err(refusal)?;
        self.wrap_anew(pool, &wrapped, &key).await?;
        Ok(key)
    }

    /// Wraps it under the key that seals, unless it is.
    async fn wrap_anew(
        &self,
        pool: &PgPool,
        wrapped: &[u8],
        key: &DataKey,
    ) -> Result<bool, Refusal> {
        if KeyRing::id_of(wrapped).ok().as_ref() == self.ring.ids().first() {
            return Ok(false);
        }
        let again = self.ring.wrap_key(NOBODY, key).map_err(refusal)?;
        let replaced = store::data_key_replace(pool, wrapped, &again).await;
        replaced.map_err(|error| database::refusal(&error))?;
        Ok(true)
    }
}

fn totp_of(user_id: UserId) -> Place<'static> {
    Place { table: "second_factor", column: "secret_sealed", user_id, row: b"" }
}

fn refusal(error: SealError) -> Refusal {
    tracing::error!(%error, "a secret of the users group cannot be sealed or opened");
    Refusal::internal()
}
