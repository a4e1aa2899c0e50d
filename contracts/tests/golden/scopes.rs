//! What a token must allow for each operation of people. Written by hand: a token that was given to
//! a program for one thing must not open another some day.

use contracts::{
    analytics::AnalyticsMailbox,
    cycles::CyclesMailbox,
    notifications::NotificationsMailbox,
    users::UsersMailbox,
    wire::{Audience, WireMailbox},
};

/// The operations of a group with their scopes.
fn scopes<M: WireMailbox>() -> Vec<String> {
    let people = M::OPS.iter().filter(|op| op.audience == Audience::People);
    let line = |op: &contracts::wire::Op| {
        let scope = op.scope.expect("an operation of people has a scope");
        format!("{}.{} {scope}", M::GROUP, op.name)
    };
    people.map(line).collect()
}

#[test]
fn only_people_have_scopes() {
    fn rest<M: WireMailbox>() -> bool {
        M::OPS.iter().all(|op| op.scope.is_some() == (op.audience == Audience::People))
    }
    assert!(rest::<UsersMailbox>() && rest::<CyclesMailbox>());
    assert!(rest::<AnalyticsMailbox>() && rest::<NotificationsMailbox>());
}

#[test]
fn of_each_operation() {
    let mut found = scopes::<UsersMailbox>();
    found.extend(scopes::<CyclesMailbox>());
    found.extend(scopes::<AnalyticsMailbox>());
    found.extend(scopes::<NotificationsMailbox>());
    let expected: Vec<&str> = include_str!("scopes.txt").lines().collect();
    assert_eq!(found, expected);
}
