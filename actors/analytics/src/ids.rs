//! Ids that are derived from what they stand for, so that a rebuild gives the same ones.

use chrono::{Datelike, NaiveDate};
use contracts::{CycleId, PredictionId, QuestionId, UserId, Version};
use sha2::{Digest, Sha256};

/// The first 53 bits of SHA-256 over a labelled tuple. All members but the last have a fixed
/// width, so no two tuples have the same bytes.
pub(crate) fn prediction_id(
    user_id: UserId,
    anchor: CycleId,
    input_version: Version,
    method: &str,
) -> PredictionId {
    let digest = Sha256::new()
        .chain_update(b"lunation prediction id v1\0")
        .chain_update(user_id.get().to_be_bytes())
        .chain_update(anchor.get().to_be_bytes())
        .chain_update(input_version.get().to_be_bytes())
        .chain_update(method.as_bytes())
        .finalize();
    PredictionId::new(positive_53_bits(&digest))
}

/// Likewise. A gap that is open and the same gap closed are two questions.
pub(crate) fn question_id(
    user_id: UserId,
    cycle: CycleId,
    next_start: Option<NaiveDate>,
) -> QuestionId {
    let next_start = next_start.map_or(i32::MIN, |date| date.num_days_from_ce());
    let digest = Sha256::new()
        .chain_update(b"lunation question id v1\0")
        .chain_update(user_id.get().to_be_bytes())
        .chain_update(cycle.get().to_be_bytes())
        .chain_update(next_start.to_be_bytes())
        .finalize();
    QuestionId::new(positive_53_bits(&digest))
}

/// The first 64 bits of a digest.
pub(crate) fn leading_bits(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

fn positive_53_bits(digest: &[u8]) -> i64 {
    i64::try_from(leading_bits(digest) >> 11).unwrap_or(i64::MAX).max(1)
}
