//! Fingerprints of what rows are made from. They are stored, so they have to be the same in every
//! process and every build; and they are of the inputs, so that a forecast need not be made to see
//! that it is the same.

use chrono::{Datelike, NaiveDate};
use contracts::{
    CycleId,
    analytics::CycleAnalytics,
    cycles::{EpisodeKind, GapAnswer},
};
use prediction::{CyclesInGap, Length, Use};
use sha2::{Digest, Sha256};

use super::{Log, obstacle};
use crate::{anchor::SeenOvulation, ids::leading_bits, known::MODEL_NUMBER};

/// A cycle, and what the rows stored for it hold: equal fingerprints, equal rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) cycle_id: CycleId,
    /// Of all that the prediction is made from.
    pub(crate) forecast: i64,
    /// Of that and of everything else.
    pub(crate) all: i64,
}

impl Mark {
    /// Of a cycle, if nothing was logged up to a day.
    pub(crate) fn new(
        cycle_id: CycleId,
        base: i64,
        rest: i64,
        open_until: Option<NaiveDate>,
    ) -> Self {
        let forecast = match open_until {
            None => base,
            Some(day) => mixed(base, i64::from(day.num_days_from_ce())),
        };
        Self { cycle_id, forecast, all: mixed(forecast, rest) }
    }
}

impl Log {
    /// Of the forecast at each cycle: all that it depends on, the day aside. Each is chained to the
    /// one before it, so a change is seen in all that come after it.
    ///
    /// The newest differs from what it will be once it is settled by the answer about its gap and
    /// by the ovulations that were seen, for those count only while it is open.
    pub(crate) fn forecast_bases(&self) -> Vec<i64> {
        let mut chain = Sha256::new();
        let mut fingerprints = Vec::with_capacity(self.cycles.len());
        let rows = self.cycles.iter().zip(&self.segmented).zip(&self.inputs);
        for (position, ((cycle, segmented), input)) in rows.enumerate() {
            if segmented.segment_start == position {
                chain = Sha256::new()
                    .chain_update(b"lunation anchor v1\0")
                    .chain_update(MODEL_NUMBER.to_be_bytes())
                    .chain_update(day_bytes(self.date_of_birth));
            }
            chain.update(day_bytes(Some(cycle.start_date)));
            chain.update(day_bytes(cycle.end_date));
            let mut here = chain
                .clone()
                .chain_update(input.version.get().to_be_bytes())
                .chain_update(input.changed_at.timestamp_micros().to_be_bytes());
            if let Some(episode) = obstacle(segmented) {
                here.update([1, kind_byte(episode.kind)]);
                here.update(day_bytes(Some(episode.start_date)));
                here.update(day_bytes(episode.end_date));
            }
            if position + 1 == self.cycles.len() {
                self.absorb_open(&mut here, position);
            }
            fingerprints.push(leading_bits(&here.finalize()).cast_signed());
            chain.update(usage_bytes(segmented.usage));
        }
        fingerprints
    }

    /// Of what else the rows and the question of the cycle at a position hold.
    pub(crate) fn rest(&self, position: usize, row: &CycleAnalytics) -> i64 {
        let CycleAnalytics {
            id: _,
            user_id: _,
            cycle_id,
            start_date,
            end_date,
            cycle_length,
            period_length,
            is_regular,
            average_cycle_length,
            cycle_variance,
            created_at,
        } = row;
        let usage = self.segmented.get(position).map_or([0; 6], |cycle| usage_bytes(cycle.usage));
        let number = |number: Option<i32>| number.map_or(i64::MIN, i64::from).to_be_bytes();
        let real = |number: Option<f64>| number.map_or(u64::MAX, f64::to_bits).to_be_bytes();
        let digest = Sha256::new()
            .chain_update(b"lunation cycle v1\0")
            .chain_update(cycle_id.get().to_be_bytes())
            .chain_update(day_bytes(Some(*start_date)))
            .chain_update(day_bytes(*end_date))
            .chain_update(day_bytes(self.next_start(position)))
            .chain_update(number(*cycle_length))
            .chain_update(number(*period_length))
            .chain_update([is_regular.map_or(2, u8::from)])
            .chain_update(real(*average_cycle_length))
            .chain_update(real(*cycle_variance))
            .chain_update(created_at.timestamp_micros().to_be_bytes())
            .chain_update(usage)
            .finalize();
        leading_bits(&digest).cast_signed()
    }

    /// What counts only while a cycle is the newest.
    fn absorb_open(&self, hasher: &mut Sha256, position: usize) {
        let cycle = self.cycles.get(position);
        match cycle.and_then(|cycle| cycle.gap_answer) {
            None => {}
            Some(GapAnswer::NoneMissed) => {
                hasher.update([2]);
                hasher.update(day_bytes(cycle.and_then(|cycle| cycle.gap_answered_on)));
            }
            Some(GapAnswer::MissedUnknown | GapAnswer::MissedOn(_)) => hasher.update([3]),
        }
        if let Some(ovulation) = self.ovulations.get(position).copied().flatten() {
            hasher.update([4]);
            hasher.update(day_bytes(Some(ovulation)));
        }
        for SeenOvulation { day, cycle_days } in self.past_ovulations(position) {
            hasher.update([5]);
            hasher.update(day.to_be_bytes());
            hasher.update(cycle_days.to_be_bytes());
        }
    }
}

/// One fingerprint of two.
fn mixed(one: i64, other: i64) -> i64 {
    let digest = Sha256::new().chain_update(one.to_be_bytes()).chain_update(other.to_be_bytes());
    leading_bits(&digest.finalize()).cast_signed()
}

fn day_bytes(day: Option<NaiveDate>) -> [u8; 4] {
    day.map_or(i32::MIN, |day| day.num_days_from_ce()).to_be_bytes()
}

const fn kind_byte(kind: EpisodeKind) -> u8 {
    match kind {
        EpisodeKind::Pregnancy => 1,
        EpisodeKind::Postpartum => 2,
        EpisodeKind::Breastfeeding => 3,
        EpisodeKind::HormonalContraception => 4,
        EpisodeKind::Perimenopause => 5,
        EpisodeKind::Pause => 6,
    }
}

fn usage_bytes(usage: Use) -> [u8; 6] {
    let (word, days, answer) = match usage {
        Use::Open => (0, 0, None),
        Use::Learned(Length { days, answer }) => (1, days, answer),
        Use::Excluded => (2, 0, None),
        Use::InEpisode(_) => (3, 0, None),
        Use::TooShort => (4, 0, None),
        Use::TooLong => (5, 0, None),
        Use::ContradictsAnswer => (6, 0, None),
    };
    let answer = match answer {
        None => 0,
        Some(CyclesInGap::One) => 1,
        Some(CyclesInGap::Two) => 2,
        Some(CyclesInGap::Three) => 3,
        Some(CyclesInGap::TwoOrThree) => 4,
    };
    let [first, second, third, fourth] = days.to_be_bytes();
    [word, first, second, third, fourth, answer]
}
