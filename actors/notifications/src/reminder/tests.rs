use proptest::prelude::*;

use super::*;

const USER: UserId = UserId::new(42);
const WISHES: Wishes = Wishes { enabled: true, days_before: 3 };

fn facts(anchor: i64, prediction: i64, start: &str) -> PredictedStart {
    PredictedStart {
        prediction_id: PredictionId::new(prediction),
        anchor_cycle_id: CycleId::new(anchor),
        predicted_start_date: start.parse().unwrap(),
    }
}

fn existing(facts: &PredictedStart, status: NotificationStatus) -> Existing {
    Existing { reminder: wanted(USER, facts, WISHES, today()).unwrap(), status }
}

/// Before all that is due.
fn today() -> NaiveDate {
    "2025-01-01".parse().unwrap()
}

#[test]
fn a_reminder_whose_day_has_passed_is_due_today_and_says_what_is_left() {
    let said = |today: &str| {
        let reminder = wanted(USER, &facts(1, 2, "2025-02-07"), WISHES, today.parse().unwrap())?;
        let (_, when) = reminder.message.split_once("2025-02-07 ").unwrap();
        Some((reminder.scheduled_for.date_naive().to_string(), when.to_owned()))
    };
    let due = |day: &str, when: &str| Some((day.to_owned(), when.to_owned()));
    assert_eq!(said("2025-02-03"), due("2025-02-04", "(in 3 days)."));
    assert_eq!(said("2025-02-04"), due("2025-02-04", "(in 3 days)."));
    assert_eq!(said("2025-02-05"), due("2025-02-05", "(in 2 days)."));
    assert_eq!(said("2025-02-06"), due("2025-02-06", "(in 1 day)."));
    assert_eq!(said("2025-02-07"), due("2025-02-07", "(today)."));
    assert_eq!(said("2025-02-08"), None, "a start in the past is no longer expected");
}

#[test]
fn a_pending_reminder_for_a_day_that_is_over_is_cancelled() {
    let old = existing(&facts(1, 2, "2025-02-07"), NotificationStatus::Pending);
    let id = old.reminder.id;
    let late = "2025-02-08".parse().unwrap();
    let actions = reconcile(USER, Some(&facts(1, 2, "2025-02-07")), WISHES, &[old], late);
    assert!(actions.cancel == [id] && actions.put.is_none());
}

#[test]
fn the_text_and_the_time_of_the_walk_through() {
    let reminder = wanted(USER, &facts(1, 2, "2025-02-07"), WISHES, today()).unwrap();
    assert_eq!(reminder.title, "Period Reminder");
    let text = "Your next period is expected around 2025-02-07 (in 3 days).";
    assert_eq!(reminder.message, text);
    assert_eq!(reminder.scheduled_for.to_rfc3339(), "2025-02-04T09:00:00+00:00");
    assert_eq!(reminder.prediction_id, PredictionId::new(2));
    assert_eq!(reminder.anchor_cycle_id, CycleId::new(1));
}

#[test]
fn one_day_is_no_plural() {
    let wishes = Wishes { days_before: 1, ..WISHES };
    let reminder = wanted(USER, &facts(1, 2, "2025-03-01"), wishes, today()).unwrap();
    assert!(reminder.message.ends_with("around 2025-03-01 (in 1 day)."));
    assert_eq!(reminder.scheduled_for.to_rfc3339(), "2025-02-28T09:00:00+00:00");
}

/// Golden: an id that changes would be a second reminder after a rebuild. The number was computed
/// apart: `printf 'notification/v1 user=42 kind=period_reminder anchor=7' | sha256sum`.
#[test]
fn ids_never_change() {
    let id = notification_id(USER, CycleId::new(7));
    assert_eq!(id.get(), 1_770_216_970_682_059);
}

#[test]
fn nobody_predicted_nothing_reminded() {
    let old = existing(&facts(1, 2, "2025-02-07"), NotificationStatus::Pending);
    let id = old.reminder.id;
    let actions = reconcile(USER, None, WISHES, &[old], today());
    assert!(actions.cancel == [id] && actions.put.is_none());
    let actions = reconcile(USER, None, WISHES, &[], today());
    assert!(actions.cancel.is_empty() && actions.put.is_none());
}

#[test]
fn a_new_anchor_cancels_the_old_reminder() {
    let old = existing(&facts(1, 2, "2025-02-07"), NotificationStatus::Pending);
    let next = facts(2, 3, "2025-03-07");
    let id = old.reminder.id;
    let actions = reconcile(USER, Some(&next), WISHES, &[old], today());
    assert!(actions.cancel == [id]);
    assert!(actions.put == wanted(USER, &next, WISHES, today()));
}

#[test]
fn the_same_anchor_moves_and_keeps_its_id() {
    let old = existing(&facts(1, 2, "2025-02-07"), NotificationStatus::Pending);
    let next = facts(1, 3, "2025-02-09");
    let id = old.reminder.id;
    let actions = reconcile(USER, Some(&next), WISHES, &[old], today());
    assert!(actions.cancel.is_empty());
    let put = actions.put.unwrap();
    assert_eq!(
        (put.id, put.scheduled_for.to_rfc3339().as_str()),
        (id, "2025-02-06T09:00:00+00:00")
    );
}

#[test]
fn opting_out_cancels_and_opting_in_takes_up_again() {
    let now = facts(1, 2, "2025-02-07");
    let out = Wishes { enabled: false, ..WISHES };
    let pending = existing(&now, NotificationStatus::Pending);
    let actions = reconcile(USER, Some(&now), out, std::slice::from_ref(&pending), today());
    assert!(actions.cancel == [pending.reminder.id] && actions.put.is_none());
    let cancelled = Existing { status: NotificationStatus::Cancelled, ..pending.clone() };
    let actions = reconcile(USER, Some(&now), WISHES, &[cancelled], today());
    assert!(actions.cancel.is_empty() && actions.put == Some(pending.reminder));
}

#[test]
fn what_the_dispatcher_began_is_left_alone() {
    let next = facts(1, 3, "2025-02-09");
    for status in NotificationStatus::ALL {
        let old = existing(&facts(1, 2, "2025-02-07"), status);
        let actions = reconcile(USER, Some(&next), WISHES, &[old], today());
        let is_ours = matches!(status, NotificationStatus::Pending | NotificationStatus::Cancelled);
        assert_eq!(actions.put.is_some(), is_ours, "{status:?}");
        assert!(actions.cancel.is_empty());
    }
}

/// One thing that happens to a user.
#[derive(Clone, Debug)]
enum Step {
    Predicted { anchor: i64, prediction: i64, day: i64 },
    NothingPredicted,
    Wished(bool, i16),
    Dispatched(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..5, 1_i64..100, -400_i64..40_000)
            .prop_map(|(anchor, prediction, day)| Step::Predicted { anchor, prediction, day }),
        1 => Just(Step::NothingPredicted),
        3 => (any::<bool>(), DAYS_BEFORE).prop_map(|(enabled, days)| Step::Wished(enabled, days)),
        1 => (2_usize..5).prop_map(Step::Dispatched),
    ]
}

/// What the statements of the store make of the actions.
fn carry_out(actions: Actions, rows: &mut Vec<Existing>) {
    for row in rows.iter_mut().filter(|row| actions.cancel.contains(&row.reminder.id)) {
        row.status = NotificationStatus::Cancelled;
    }
    let Some(reminder) = actions.put else { return };
    rows.retain(|row| row.reminder.id != reminder.id);
    rows.push(Existing { reminder, status: NotificationStatus::Pending });
}

fn is_begun(row: &Existing) -> bool {
    !matches!(row.status, NotificationStatus::Pending | NotificationStatus::Cancelled)
}

proptest! {
    /// Whatever happens in whatever order: the one reminder that is wanted is the one that is
    /// pending, unless its anchor's was handed over already.
    #[test]
    fn the_wanted_reminder_is_the_pending_one(steps in prop::collection::vec(step(), 1..40)) {
        let epoch: NaiveDate = "2025-01-01".parse().unwrap();
        let (mut current, mut wishes, mut rows) = (None, WISHES, Vec::<Existing>::new());
        for step in steps {
            match step {
                Step::Predicted { anchor, prediction, day } => {
                    let start = epoch + chrono::TimeDelta::days(day);
                    current = Some(facts(anchor, prediction, &start.to_string()));
                }
                Step::NothingPredicted => current = None,
                Step::Wished(enabled, days_before) => wishes = Wishes { enabled, days_before },
                Step::Dispatched(to) => {
                    let begun = [NotificationStatus::ALL[1], NotificationStatus::ALL[2],
                        NotificationStatus::ALL[3], NotificationStatus::ALL[4]];
                    let pending = rows.iter_mut()
                        .find(|row| row.status == NotificationStatus::Pending);
                    if let Some(row) = pending {
                        row.status = begun[to % begun.len()];
                    }
                }
            }
            let before: Vec<Existing> = rows.iter().filter(|row| is_begun(row)).cloned().collect();
            let relevant = |rows: &[Existing]| -> Vec<Existing> {
                let anchor = current.as_ref().map(|facts| facts.anchor_cycle_id);
                rows.iter()
                    .filter(|row| row.status == NotificationStatus::Pending
                        || Some(row.reminder.anchor_cycle_id) == anchor)
                    .cloned()
                    .collect()
            };
            carry_out(reconcile(USER, current.as_ref(), wishes, &relevant(&rows), today()), &mut rows);

            let after: Vec<Existing> = rows.iter().filter(|row| is_begun(row)).cloned().collect();
            prop_assert!(before == after, "a reminder that was begun with was touched");
            let target = current.as_ref().and_then(|facts| wanted(USER, facts, wishes, today()))
                .filter(|target| !after.iter().any(|row| row.reminder.id == target.id));
            let pending: Vec<&Reminder> = rows.iter()
                .filter(|row| row.status == NotificationStatus::Pending)
                .map(|row| &row.reminder)
                .collect();
            prop_assert!(pending == target.iter().collect::<Vec<_>>());
            let again = reconcile(USER, current.as_ref(), wishes, &relevant(&rows), today());
            prop_assert!(again.cancel.is_empty() && again.put.is_none(), "not settled");
        }
    }

    /// Ids are positive, fit into a double, and differ with the user and the anchor.
    #[test]
    fn ids_fit_and_differ(user in 1_i64..i64::MAX, anchor in 1_i64..i64::MAX) {
        let id = notification_id(UserId::new(user), CycleId::new(anchor)).get();
        prop_assert!((1..1 << 53).contains(&id));
        let other_anchor = notification_id(UserId::new(user), CycleId::new(anchor - 1)).get();
        let other_user = notification_id(UserId::new(user - 1), CycleId::new(anchor)).get();
        prop_assert!(id != other_anchor && id != other_user && other_anchor != other_user);
    }
}
