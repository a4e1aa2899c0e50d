//! The normal ranges of FIGO 2018: frequency, regularity and duration of periods.

use contracts::analytics::{Insight, InsightKind};
use prediction::{
    NORMAL_LENGTH_DAYS,
    constants::{LENGTH_MAX_DAYS, LENGTH_MIN_DAYS},
};

use super::insight;

/// Where all of them come from.
const FIGO: &str = "FIGO 2018: Munro, Critchley and Fraser, Int J Gynaecol Obstet 2018;143:393–408";
/// Periods last normally up to so many days.
const DURATION_MAX_DAYS: i32 = 8;
/// The newest cycles and periods that count: about half a year.
const NEWEST_MAX: usize = 6;
/// How regular cycles are shows in so many of them.
const LENGTHS_MIN: usize = 3;
/// The widest difference that is normal at any age, in days.
const WIDEST_DIFFERENCE_DAYS: i32 = 9;

/// Frequency: the average length, normal from 24 to 38 days. So many lengths count in it that are
/// none of a cycle.
pub(super) fn frequency(average_days: f64, odd_lengths: usize) -> Insight {
    let (shortest, longest) = (*NORMAL_LENGTH_DAYS.start(), *NORMAL_LENGTH_DAYS.end());
    let odd = match odd_lengths {
        0 => String::new(),
        count => {
            let lengths =
                if count == 1 { "a length".to_owned() } else { format!("{count} lengths") };
            format!(
                " It counts {lengths} under {LENGTH_MIN_DAYS} or over {LENGTH_MAX_DAYS} days, which \
                 predictions leave out."
            )
        }
    };
    if (f64::from(shortest)..=f64::from(longest)).contains(&average_days) {
        let message = format!(
            "Your average cycle length is {average_days:.1} days, within normal range.{odd}"
        );
        return said(InsightKind::Positive, "frequency", message);
    }
    let message = format!(
        "Your average cycle length is {average_days:.1} days, outside the normal range of \
         {shortest} to {longest} days. If that is new to you, consider asking a health \
         professional.{odd}"
    );
    said(InsightKind::Warning, "frequency", message)
}

/// Regularity: the difference of the shortest and the longest of the last 6 cycles, normal up to
/// 7 to 9 days by age.
pub(super) fn regularity(lengths_days: &[i32], age_years: Option<i32>) -> Option<Insight> {
    let newest = newest(lengths_days);
    let (shortest, longest) = (newest.iter().min()?, newest.iter().max()?);
    if newest.len() < LENGTHS_MIN {
        return None;
    }
    let (difference, count) = (longest - shortest, newest.len());
    let limit = Limit::at(age_years);
    let Limit { days, whose } = &limit;
    let differ = format!("{difference} {}", if difference == 1 { "day" } else { "days" });
    Some(if difference <= *days {
        let message = format!(
            "The shortest and the longest of your last {count} cycles differ by {differ}; \
             up to {days} days is normal {whose}."
        );
        said(InsightKind::Positive, "regularity", message)
    } else {
        let message = format!(
            "The shortest and the longest of your last {count} cycles differ by {differ}, \
             more than the {days} days that are normal {whose}. If that is new to you, consider \
             asking a health professional."
        );
        said(InsightKind::Warning, "regularity", message)
    })
}

/// Duration: the days of bleeding of the last 6 periods, normal up to 8.
pub(super) fn duration(periods_days: &[i32]) -> Option<Insight> {
    let newest = newest(periods_days);
    let (shortest, longest) = (newest.iter().min()?, newest.iter().max()?);
    let count = newest.len();
    let long = newest.iter().filter(|days| **days > DURATION_MAX_DAYS).count();
    Some(if long == 0 {
        let span = if shortest == longest {
            format!("{longest} {}", if *longest == 1 { "day" } else { "days" })
        } else {
            format!("{shortest} to {longest} days")
        };
        let periods = if count == 1 { "period".to_owned() } else { format!("{count} periods") };
        let message =
            format!("Your last {periods} lasted {span}; up to {DURATION_MAX_DAYS} days is normal.");
        said(InsightKind::Positive, "duration", message)
    } else {
        let which = match (long, count) {
            (_, 1) => "Your last period".to_owned(),
            (long, count) => format!("{long} of your last {count} periods"),
        };
        let message = format!(
            "{which} lasted longer than the {DURATION_MAX_DAYS} days that are normal, at most \
             {longest} days. If that is new to you, consider asking a health professional."
        );
        said(InsightKind::Warning, "duration", message)
    })
}

/// How much cycles may differ, and for whom that is said.
struct Limit {
    days: i32,
    whose: &'static str,
}

impl Limit {
    /// FIGO gives limits for 18 to 25, 26 to 41 and 42 to 45 years. Otherwise the widest one is
    /// used, so that nobody is alarmed by a limit that may not be theirs.
    fn at(age_years: Option<i32>) -> Self {
        match age_years {
            Some(18..=25) => Self { days: 9, whose: "from 18 to 25 years" },
            Some(26..=41) => Self { days: 7, whose: "from 26 to 41 years" },
            Some(42..=45) => Self { days: 9, whose: "from 42 to 45 years" },
            Some(_) => Self {
                days: WIDEST_DIFFERENCE_DAYS,
                whose: "(the widest of the limits, since there is none for your age)",
            },
            None => Self {
                days: WIDEST_DIFFERENCE_DAYS,
                whose: "(the widest of the limits, since your age is not known)",
            },
        }
    }
}

fn newest(days: &[i32]) -> &[i32] {
    days.get(days.len().saturating_sub(NEWEST_MAX)..).unwrap_or_default()
}

fn said(kind: InsightKind, rule: &str, message: String) -> Insight {
    insight(kind, rule, Some(FIGO), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(lengths_days: &[i32], age_years: Option<i32>) -> Option<InsightKind> {
        regularity(lengths_days, age_years).map(|said| said.kind)
    }

    #[test]
    fn the_limit_of_regularity_is_by_age() {
        let limits = [(17, 9), (18, 9), (25, 9), (26, 7), (41, 7), (42, 9), (45, 9), (46, 9)];
        for (age, limit) in limits {
            let within = [28, 28, 28 + limit];
            let beyond = [28, 28, 29 + limit];
            assert_eq!(kind(&within, Some(age)), Some(InsightKind::Positive), "{age}");
            assert_eq!(kind(&beyond, Some(age)), Some(InsightKind::Warning), "{age}");
        }
        assert_eq!(kind(&[28, 28, 37], None), Some(InsightKind::Positive));
        assert_eq!(kind(&[28, 28, 38], None), Some(InsightKind::Warning));
        let one = regularity(&[28, 29, 28], None).unwrap().message;
        assert!(one.contains("differ by 1 day;"), "{one}");
        let unknown = regularity(&[28, 28, 28], None).unwrap().message;
        assert!(unknown.contains("up to 9 days") && unknown.contains("age is not known"));
    }

    #[test]
    fn regularity_shows_in_three_cycles_and_the_newest_six_count() {
        assert_eq!(kind(&[], None), None);
        assert_eq!(kind(&[28, 60], None), None);
        assert_eq!(kind(&[60, 28, 28, 28, 28, 28, 28], None), Some(InsightKind::Positive));
        assert_eq!(kind(&[60, 28, 28, 28, 28, 28], None), Some(InsightKind::Warning));
    }

    #[test]
    fn eight_days_of_bleeding_are_normal() {
        assert!(duration(&[]).is_none());
        let message = |periods: &[i32]| duration(periods).unwrap().message;
        assert_eq!(duration(&[8, 3]).unwrap().kind, InsightKind::Positive);
        assert_eq!(
            message(&[8, 3]),
            "Your last 2 periods lasted 3 to 8 days; up to 8 days is normal."
        );
        assert_eq!(message(&[5]), "Your last period lasted 5 days; up to 8 days is normal.");
        assert_eq!(message(&[1]), "Your last period lasted 1 day; up to 8 days is normal.");
        assert_eq!(duration(&[5, 9]).unwrap().kind, InsightKind::Warning);
        assert!(message(&[5, 9]).starts_with("1 of your last 2 periods lasted longer than the 8"));
        assert!(message(&[9]).starts_with("Your last period lasted longer"));
        assert!(duration(&[9, 5, 5, 5, 5, 5, 5]).unwrap().kind == InsightKind::Positive);
    }
}
