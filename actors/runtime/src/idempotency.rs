//! `Idempotency-Key`: the same key and body give the first answer again, once-only in effect
//! (draft-ietf-httpapi-idempotency-key-header). The answer is written in the transaction of the
//! effect, so the two cannot part.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use contracts::{Call, ErrorKind, Refusal, Request, UserId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use zeroize::Zeroizing;

use crate::{
    background, database, faults,
    group_commit::WriteError,
    seal::{DataKey, Place, SealError},
    supervisor::Child,
};

/// The name under which a test takes all of this out.
const GUARD: &str = "idempotency.first_answer";
/// How long a first answer is kept at least.
const KEEP_HOURS: i32 = 24;
/// How often old answers are dropped.
const PURGE_EVERY: Duration = Duration::from_hours(1);
/// Most answers that one statement drops: it has to end within the statement's time limit.
const PURGE_BATCH: u64 = 2_000;

/// The key and the request of a write, as hashes.
#[derive(Clone)]
pub struct Fingerprint {
    key_hash: [u8; 32],
    request_hash: [u8; 32],
}

impl Fingerprint {
    /// The fingerprint of a request, if its call has a key.
    ///
    /// # Errors
    ///
    /// The request cannot be serialised: a fault of ours.
    pub fn of<R: Request + Serialize>(call: &Call, request: &R) -> Result<Option<Self>, Refusal> {
        let Some(key) = &call.idempotency_key else { return Ok(None) };
        let body = serde_json::to_vec(request).map_err(|_| Refusal::internal())?;
        let request_hash = Sha256::new().chain_update(R::OP).chain_update([0]).chain_update(body);
        Ok(Some(Self {
            key_hash: Sha256::digest(key.as_str()).into(),
            request_hash: request_hash.finalize().into(),
        }))
    }

    /// The first answer to this key, if there was one.
    ///
    /// # Errors
    ///
    /// Refused if the key was used with another request; otherwise the database's.
    pub async fn first_answer<T: DeserializeOwned>(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
    ) -> Result<Option<T>, WriteError> {
        let kept = self.kept(connection, user_id).await?;
        kept.map(|kept| self.read(kept)).transpose()
    }

    /// What is kept under this key, of whatever request, for the one who can open what is sealed.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn kept(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
    ) -> Result<Option<KeptAnswer>, WriteError> {
        if faults::is_off(GUARD) {
            return Ok(None);
        }
        let row = sqlx::query!(
            "SELECT request_hash, answer FROM idempotency WHERE user_id = $1 AND key_hash = $2",
            user_id.get(),
            &self.key_hash,
        )
        .fetch_optional(connection)
        .await?;
        Ok(row.map(|row| KeptAnswer { request_hash: row.request_hash, answer: row.answer }))
    }

    /// The answer, if it is to this request.
    ///
    /// # Errors
    ///
    /// Refused if it is to another one.
    pub fn read<T: DeserializeOwned>(&self, kept: KeptAnswer) -> Result<T, WriteError> {
        let KeptAnswer { request_hash, answer } = kept;
        if request_hash != self.request_hash {
            return Err(reused());
        }
        serde_json::from_value(answer).map_err(|_| Refusal::internal().into())
    }

    /// The answer, if it is to this request and was sealed with this key.
    ///
    /// # Errors
    ///
    /// Refused if it is to another one, or cannot be opened.
    pub fn open<T: DeserializeOwned>(
        &self,
        user_id: UserId,
        key: &DataKey,
        kept: &KeptAnswer,
    ) -> Result<T, WriteError> {
        let KeptAnswer { request_hash, answer } = kept;
        if *request_hash != self.sealed_request_hash(key)? {
            return Err(reused());
        }
        let sealed = answer.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let opened = key.open(&self.place(user_id), &sealed.ok_or_else(Refusal::internal)?);
        let opened = opened.map_err(|error| failed(user_id, error))?;
        serde_json::from_slice(&opened).map_err(|_| Refusal::internal().into())
    }

    /// Keeps the first answer, in the transaction of the effect. Of two writes that race with the
    /// same key one is told to try again, and then finds the other's answer.
    ///
    /// # Errors
    ///
    /// `Raced`, or the database's.
    pub async fn keep_answer<T: Serialize>(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
        answer: &T,
    ) -> Result<(), WriteError> {
        let answer = serde_json::to_value(answer).map_err(|_| Refusal::internal())?;
        self.keep(connection, user_id, &self.request_hash, answer).await
    }

    /// Keeps the first answer sealed, because it holds what is sealed elsewhere too. Of the request
    /// a fingerprint is kept that only the key can make: from a plain hash its few unknown words
    /// could be guessed.
    ///
    /// # Errors
    ///
    /// As [`Fingerprint::keep_answer`].
    pub async fn keep_sealed<T: Serialize>(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
        key: &DataKey,
        answer: &T,
    ) -> Result<(), WriteError> {
        let answer = Zeroizing::new(serde_json::to_vec(answer).map_err(|_| Refusal::internal())?);
        let sealed = key.seal(&self.place(user_id), &answer);
        let sealed = BASE64_STANDARD.encode(sealed.map_err(|error| failed(user_id, error))?);
        let request_hash = self.sealed_request_hash(key)?;
        self.keep(connection, user_id, &request_hash, Value::String(sealed)).await
    }

    async fn keep(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
        request_hash: &[u8; 32],
        answer: Value,
    ) -> Result<(), WriteError> {
        if faults::is_off(GUARD) {
            return Ok(());
        }
        let kept = sqlx::query!(
            r#"INSERT INTO idempotency (user_id, key_hash, request_hash, answer)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"#,
            user_id.get(),
            &self.key_hash,
            request_hash,
            answer,
        )
        .execute(connection)
        .await?;
        if kept.rows_affected() == 0 { Err(WriteError::Raced) } else { Ok(()) }
    }

    fn place(&self, user_id: UserId) -> Place<'_> {
        Place { table: "idempotency", column: "answer", user_id, row: &self.key_hash }
    }

    fn sealed_request_hash(&self, key: &DataKey) -> Result<[u8; 32], WriteError> {
        let hash = key.fingerprint("idempotency request", &self.request_hash);
        hash.map_err(|_| Refusal::internal().into())
    }
}

/// The first answer to a key, as it is kept.
pub struct KeptAnswer {
    request_hash: Vec<u8>,
    answer: Value,
}

impl KeptAnswer {
    /// Whether it is sealed.
    pub fn is_sealed(&self) -> bool {
        // An answer in clear is an object.
        self.answer.is_string()
    }
}

fn reused() -> WriteError {
    WriteError::Refused(Refusal::new(
        ErrorKind::Invalid,
        "idempotency-key-reused",
        "This Idempotency-Key was used with another request.",
    ))
}

fn failed(user_id: UserId, error: SealError) -> WriteError {
    tracing::error!(%user_id, %error, "the answer to an idempotency key cannot be sealed or opened");
    Refusal::internal().into()
}

/// Drops answers that are older than a day, every hour, as a supervised child.
pub fn purge_child(group: &str, pool: PgPool) -> Child {
    background::every(format!("{group} idempotency purge"), PURGE_EVERY, move || {
        let pool = pool.clone();
        async move { while purge_batch(&pool).await == PURGE_BATCH {} }
    })
}

/// Drops some old answers, and says how many.
async fn purge_batch(pool: &PgPool) -> u64 {
    let purged = sqlx::query!(
        r#"DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
               SELECT ctid FROM idempotency
               WHERE created_at < now() - make_interval(hours => $1) LIMIT $2))"#,
        KEEP_HOURS,
        PURGE_BATCH.cast_signed(),
    )
    .execute(pool)
    .await;
    match purged {
        Ok(purged) => purged.rows_affected(),
        Err(error) => {
            let cause = database::describe(&error);
            tracing::warn!(%cause, "could not drop old idempotency keys");
            0
        }
    }
}
