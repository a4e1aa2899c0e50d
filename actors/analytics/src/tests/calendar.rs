//! The calendar, as it is read.

use std::sync::Arc;

use contracts::{
    ErrorKind,
    analytics::{Calendar, CyclePhase, GetCalendar},
};

use super::*;

async fn calendar(
    process: &Process,
    whose: UserId,
    (from, to): (&str, &str),
) -> Result<Calendar, Refusal> {
    let (from, to) = (day(from), day(to));
    let request = GetCalendar { user_id: whose, from, to, min_version: None };
    process.handle.ask(&call(), request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_with_all_that_reaches_into_it() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    // Starts on 2020-01-01 and every 28 days after it, the newest on 2020-08-12.
    for _ in 0..9 {
        owner.append(whose, 28);
    }
    let today = day("2020-08-20");
    let process =
        Process::start(&database, &owner, Settings { today, ..Settings::default() }).await;
    process.wake(whose, 9).await.unwrap();
    let all = calendar(&process, whose, ("2020-01-01", "2020-12-31")).await.unwrap();
    assert_eq!((all.days.len(), all.as_of_version.get()), (366, 9));
    let bled = all
        .days
        .iter()
        .filter(|day| day.logged.is_some_and(|logged| logged.bleeding == Some(true)));
    assert_eq!(bled.count(), 9 * 5);
    // A part of it is the same, whichever cycles begin before it.
    for (from, to) in [("2020-01-15", "2020-02-20"), ("2020-08-13", "2020-08-13")] {
        let part = calendar(&process, whose, (from, to)).await.unwrap().days;
        let expected = all.days.iter().filter(|it| day(from) <= it.date && it.date <= day(to));
        assert!(expected.eq(&part), "{from} to {to}");
    }
    let expected = process.predictions(whose, Some(true)).await.predictions.remove(0);
    let start = all.days.iter().find(|day| day.date == expected.predicted_start_date).unwrap();
    assert_eq!(start.phase, CyclePhase::Menstruation);
    assert!(start.logged.is_none() && start.bleeding > Some(0.3));
    let told = &expected.fertility;
    let ovulation = told.iter().max_by(|a, b| a.ovulation.total_cmp(&b.ovulation)).unwrap();
    let same = all.days.iter().find(|day| day.date == ovulation.date).unwrap();
    assert!((same.ovulation.unwrap() - ovulation.ovulation).abs() < 1e-3);
    assert!((same.fertile.unwrap() - ovulation.fertile).abs() < 1e-3);
    let nobody = calendar(&process, user(2), ("2020-01-01", "2020-01-02")).await.unwrap();
    assert_eq!((nobody.days.len(), nobody.as_of_version), (2, Version::ZERO));
    assert!(nobody.days.iter().all(|day| day.phase == CyclePhase::Unknown && day.logged.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_has_an_order_and_an_end() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for range in [("2020-01-02", "2020-01-01"), ("2020-01-01", "2021-01-01")] {
        let refusal = calendar(&process, user(1), range).await.err().unwrap();
        assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "invalid-input"));
        assert_eq!(refusal.errors[0].pointer, "to");
    }
    for range in [("2020-01-01", "2020-01-01"), ("2020-01-01", "2020-12-31")] {
        assert!(calendar(&process, user(1), range).await.is_ok());
    }
    assert_eq!(
        calendar(&process, user(1), ("9999-12-01", "9999-12-31")).await.unwrap().days.len(),
        31
    );
}
