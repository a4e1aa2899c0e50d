//! Time, ids and randomness are passed in, so that a test can say what they are.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, SubsecRound, Utc};
use contracts::call::{RequestId, TraceContext};
use uuid::Uuid;

/// The wall clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// One that stands still, for tests.
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// Now, in whole microseconds: what Postgres keeps.
    pub fn now(self) -> DateTime<Utc> {
        let now = match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in")]
            Self::System => Utc::now(),
            Self::Fixed(now) => now,
        };
        now.trunc_subsecs(6)
    }

    /// The latest date that is still today somewhere on Earth (UTC+14).
    pub fn latest_today(self) -> NaiveDate {
        let easternmost = FixedOffset::east_opt(14 * 3600);
        let today = self.now().date_naive();
        easternmost.map_or_else(
            || today + Days::new(1),
            |offset| self.now().with_timezone(&offset).date_naive(),
        )
    }
}

/// Where fresh ids come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids;

impl Ids {
    /// A fresh event id. Random and not time-ordered: it tells nothing about when.
    #[expect(clippy::disallowed_methods, reason = "this is the source of ids that is passed in")]
    pub fn event_id(self) -> Uuid {
        Uuid::new_v4()
    }

    /// A request id for work that no request began, such as a sweep.
    pub fn request_id(self, purpose: &str) -> RequestId {
        let text = format!("{purpose}-{}", self.event_id().simple());
        RequestId::parse(text.get(..RequestId::LENGTH_MAX).unwrap_or(&text))
            .unwrap_or_else(|| self.request_id("internal"))
    }

    /// A trace for work that no request began.
    pub fn trace(self) -> TraceContext {
        let (high, low) = self.event_id().as_u64_pair();
        TraceContext::from_ids(self.event_id().as_u128(), high ^ low | 1)
    }
}
