use super::{names::AddressNames, *};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The waits after each of so many failures in a row, each as soon as it is looked at, in seconds.
fn waits(failures: usize) -> Vec<i64> {
    let (mut now, mut seen, mut waits) = (start(), None, Vec::new());
    for _ in 0..failures {
        let count = Rule::Ladder.count(seen, now).expect("it is looked at");
        waits.push((count.not_before - now).num_seconds());
        now = count.not_before;
        seen = Some(count);
    }
    waits
}

#[test]
fn five_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
    let expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
    assert_eq!(waits(17), expected);
    let hundred = waits(100);
    assert!(hundred[14..99].iter().all(|wait| *wait == 900));
    assert_eq!(hundred[99], 24 * 3_600, "no more than a hundred in a row");
}

#[test]
fn whoever_comes_too_early_is_told_when_and_makes_nothing_worse() {
    let now = start();
    let count = ladder(8, now);
    for early in [0, 1, 7_999] {
        let at = now + TimeDelta::milliseconds(early);
        assert_eq!(Rule::Ladder.count(Some(count), at), Err(count.not_before));
    }
    assert!(Rule::Ladder.count(Some(count), count.not_before).is_ok(), "nobody is locked out");
    let refusal = throttled(count.not_before, now + TimeDelta::milliseconds(1));
    assert_eq!(refusal.retry_after_seconds, Some(8));
    assert_eq!(throttled(now, now).retry_after_seconds, Some(1));
    let forgotten = Rule::Ladder.count(Some(count), count.forget_at).unwrap();
    assert_eq!(forgotten.attempts, 1);
    assert!(ladder(IN_A_ROW_MAX, now).forget_at > ladder(IN_A_ROW_MAX, now).not_before);
}

#[test]
fn an_address_has_so_many_in_a_time() {
    let rule = Rule::Window { max: 10, length: MINUTE };
    let (now, mut seen) = (start(), None);
    for second in 0..10 {
        let count = rule.count(seen, now + TimeDelta::seconds(second)).unwrap();
        assert_eq!(count.forget_at, now + MINUTE);
        seen = Some(count);
    }
    assert_eq!(rule.count(seen, now + TimeDelta::seconds(59)), Err(now + MINUTE));
    assert_eq!(rule.count(seen, now + MINUTE).unwrap().attempts, 1);
    let closed = Rule::Window { max: 0, length: MINUTE };
    assert_eq!(closed.count(None, now), Err(now + MINUTE));
}

#[test]
fn names_tell_apart_what_is_apart_and_nothing_else() {
    let key = DataKey::generate();
    let names = |email: &str, origin: &str| {
        let Names { account, pair, address } =
            Names::of(&key, email, Some(origin.parse().unwrap())).unwrap();
        let AddressNames { minute, hour } = address.unwrap();
        [account, pair, minute, hour]
    };
    let ada = names("Ada@test.com", "192.0.2.7");
    assert_eq!(names("aDA@TEST.com", "::ffff:192.0.2.7"), ada);
    let all = std::collections::BTreeSet::from(ada);
    assert_eq!(all.len(), 4);
    let elsewhere = names("ada@test.com", "192.0.2.8");
    assert_eq!(elsewhere[0], ada[0]);
    assert!((1..4).all(|place| elsewhere[place] != ada[place]));
    let bob = names("bob@test.com", "192.0.2.7");
    assert_eq!(bob[2..], ada[2..]);
    assert!((0..2).all(|place| bob[place] != ada[place]));
    // One network of IPv6 is one address.
    let one = names("ada@test.com", "2001:db8:0:1::1");
    assert_eq!(names("ada@test.com", "2001:db8:0:1:ffff::2"), one);
    assert_ne!(names("ada@test.com", "2001:db8:0:2::1"), one);
    // Without an address, and with another key.
    let nowhere = Names::of(&key, "ada@test.com", None).unwrap();
    assert!(nowhere.address.is_none() && nowhere.account == ada[0] && nowhere.pair != ada[1]);
    let other = Names::of(&DataKey::generate(), "ada@test.com", None).unwrap();
    assert_ne!(other.account, ada[0]);
}
