//! `Idempotency-Key`: the same key and body give the first answer again, once-only in effect
//! (draft-ietf-httpapi-idempotency-key-header). The answer is written in the transaction of the
//! effect, so the two cannot part.

use std::time::Duration;

use contracts::{Call, ErrorKind, Refusal, Request, UserId};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use tokio::time;

use crate::{
    background::{self, LoopResult},
    database, faults,
    group_commit::WriteError,
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
        let Some(row) = row else { return Ok(None) };
        if row.request_hash != self.request_hash {
            return Err(WriteError::Refused(Refusal::new(
                ErrorKind::Invalid,
                "idempotency-key-reused",
                "This Idempotency-Key was used with another request.",
            )));
        }
        let answer = serde_json::from_value(row.answer)
            .map_err(|_| WriteError::Refused(Refusal::internal()))?;
        Ok(Some(answer))
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
        if faults::is_off(GUARD) {
            return Ok(());
        }
        let answer =
            serde_json::to_value(answer).map_err(|_| WriteError::Refused(Refusal::internal()))?;
        let kept = sqlx::query!(
            r#"INSERT INTO idempotency (user_id, key_hash, request_hash, answer)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"#,
            user_id.get(),
            &self.key_hash,
            &self.request_hash,
            answer,
        )
        .execute(connection)
        .await?;
        if kept.rows_affected() == 0 { Err(WriteError::Raced) } else { Ok(()) }
    }
}

/// Drops answers that are older than a day, every hour, as a supervised child.
pub fn purge_child(group: &str, pool: PgPool) -> Child {
    background::child(format!("{group} idempotency purge"), move |stop| {
        let pool = pool.clone();
        async move {
            let purge = async {
                loop {
                    while purge_batch(&pool).await == PURGE_BATCH {}
                    time::sleep(PURGE_EVERY).await;
                }
            };
            stop.run_until_cancelled(purge).await;
            LoopResult::Ok(())
        }
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
