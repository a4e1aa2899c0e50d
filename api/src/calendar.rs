//! The calendar: `/api/analytics/calendar`.

use contracts::{
    Handle,
    analytics::{self as domain, AnalyticsMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    document::Tag,
    fertility::{FertilityNotice, fertility_notice},
    page::count,
    parameter::Query,
    predictions::version,
    scalar::{Count, Date, Days, Flag, Id, Nullable, Probability, Scalar, StateVersion},
};

/// The operations on the calendar.
pub(crate) struct CalendarApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl CalendarApi {
    /// Read what is known and expected of each day
    ///
    /// Of days that are over: what was logged, and when ovulation was, as far as the next start or a
    /// logged sign of ovulation tells. Of days to come, up to the third next start: what the
    /// prediction says. Of all days since the newest start but those of logged bleeding nothing is
    /// said (`unknown`, and null) while a start is probably missing and the user has not answered
    /// the question about it, and after 120 days without a start. At most 366 days at a time; more, or an end before the beginning, is
    /// refused (422).
    #[oai(path = "/calendar", method = "get", operation_id = "getCalendar")]
    async fn get(
        &self,
        caller: Caller,
        /// The first day.
        from: Query<Date>,
        /// The last day, inclusive; at most 365 days after the first.
        to: Query<Date>,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
    ) -> poem::Result<Json<Calendar>> {
        let request = domain::GetCalendar {
            user_id: caller.user_id,
            from: from.0.0,
            to: to.0.0,
            min_version: version(min_version),
        };
        let domain::Calendar { days, as_of_version } = caller.ask(&self.analytics, request).await?;
        Ok(Json(Calendar {
            count: count(&days),
            days: days.into_iter().map(CalendarDay::from).collect(),
            fertility_notice: fertility_notice(),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }
}

/// What is known and expected of each day of a range.
#[derive(Object)]
struct Calendar {
    /// One entry for each day, ascending.
    days: Vec<CalendarDay>,
    /// How many days there are: 1 to 366.
    count: Count,
    /// That fertile days are information and no contraception, in words to be shown beside them.
    fertility_notice: FertilityNotice,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

/// What is known and expected of a day.
#[derive(Object)]
struct CalendarDay {
    /// The day.
    date: Date,
    /// In which phase of a cycle it lies, or most probably will.
    phase: CyclePhase,
    /// The probability, from 0 to 1, of bleeding: 1 or 0 for what was logged. Null if the phase is
    /// unknown: then nothing is said.
    bleeding: Nullable<Probability>,
    /// The probability, from 0 to 1, that it is one of the six days that end with ovulation. Null if
    /// nothing but bleeding is known of the day. Information, no contraception.
    fertile: Nullable<Probability>,
    /// The probability, from 0 to 1, that ovulation falls on it. Null if nothing but bleeding is
    /// known of the day.
    ovulation: Nullable<Probability>,
    /// What was logged of it; null for days to come, before the first start and in episodes.
    logged: Nullable<LoggedDay>,
}

/// What was logged of a day.
#[derive(Object)]
struct LoggedDay {
    /// The cycle that it belongs to.
    cycle_id: Id,
    /// Its day of that cycle, in days: 1 is the first day of bleeding.
    cycle_day: Days,
    /// Whether bleeding was logged; null after the first day of a period whose end was not.
    bleeding: Nullable<Flag>,
}

/// A phase of a cycle: bleeding; after it and before the days around ovulation; the day of
/// ovulation and the days around it that are at least 0.5 probably fertile; from there to the next
/// bleeding; or unknown, because nothing is known of the day, an episode goes on, or a start is
/// probably missing in the log.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum CyclePhase {
    Menstruation,
    Follicular,
    Ovulation,
    Luteal,
    Unknown,
}

impl From<domain::CalendarDay> for CalendarDay {
    fn from(day: domain::CalendarDay) -> Self {
        let domain::CalendarDay { date, phase, bleeding, fertile, ovulation, logged } = day;
        Self {
            date: Scalar(date),
            phase: phase.into(),
            bleeding: bleeding.into(),
            fertile: fertile.into(),
            ovulation: ovulation.into(),
            logged: Nullable(logged.map(LoggedDay::from)),
        }
    }
}

impl From<domain::LoggedDay> for LoggedDay {
    fn from(day: domain::LoggedDay) -> Self {
        let domain::LoggedDay { cycle_id, cycle_day, bleeding } = day;
        Self {
            cycle_id: Scalar(cycle_id.get()),
            cycle_day: Scalar(cycle_day),
            bleeding: bleeding.into(),
        }
    }
}

impl From<domain::CyclePhase> for CyclePhase {
    fn from(phase: domain::CyclePhase) -> Self {
        match phase {
            domain::CyclePhase::Menstruation => Self::Menstruation,
            domain::CyclePhase::Follicular => Self::Follicular,
            domain::CyclePhase::Ovulation => Self::Ovulation,
            domain::CyclePhase::Luteal => Self::Luteal,
            domain::CyclePhase::Unknown => Self::Unknown,
        }
    }
}
