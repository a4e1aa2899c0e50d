use std::{fs, ops::RangeInclusive, sync::Arc};

use contracts::handle::{Opened, Transport};
use futures::{StreamExt, future::BoxFuture, stream};

use super::*;
use crate::{
    apply::Applied,
    coordinator::{Coordinator, CoordinatorArguments},
    recompute::Works,
    writers::WritersMailbox,
};

const USERS: i64 = 2_000;
const CYCLES_EACH: i64 = 12;
const BYTES_EACH_MAX: usize = 10 * 1024;

/// Writers that forget: what is measured is actors, and not a database.
struct Forgetful;

impl Transport<WritersMailbox> for Forgetful {
    fn deliver(
        &self,
        _call: Call,
        WritersMailbox::Apply(_, reply): WritersMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        reply.answer(Ok(Applied::Stored));
        Box::pin(async { Ok(Opened::default()) })
    }
}

/// Live actors with a year of cycles each, woken and idle again.
#[tokio::test(flavor = "multi_thread")]
async fn live_actors_stay_small() {
    let owner = Arc::new(Owner::default());
    for number in 1..=USERS {
        for _ in 0..CYCLES_EACH {
            owner.append(user(number), 28);
        }
    }
    let database = database().await;
    let works = Arc::new(Works {
        cycles: Handle::new(Arc::new(WayTo(Arc::clone(&owner)))),
        users: Handle::new(Arc::new(WayToPeople(owner))),
        writers: Handle::new(Arc::new(Forgetful)),
        pool: PgPool::connect(&database.url).await.unwrap(),
        clock: Clock::System,
    });
    let hour = Duration::from_hours(1);
    let arguments = CoordinatorArguments { works, idle: hour, live_actors_max: 20_000 };
    let (coordinator, _join) = Actor::spawn(None, Coordinator, arguments).await.unwrap();
    let waker = Waker::default();
    waker.fill(coordinator.clone());
    let live = || coordinator.get_cell().get_children().len();

    // What the first wave of work leaves behind in the allocator is no actor's.
    wake_all(&waker, 1..=200).await;
    let (before, before_actors) = (resident_bytes(), live());
    wake_all(&waker, 201..=USERS).await;
    let (after, actors) = (resident_bytes(), live() - before_actors);
    assert_eq!(actors, usize::try_from(USERS).unwrap() - 200);
    let each = after.saturating_sub(before) / actors;
    println!("{actors} live user actors of {CYCLES_EACH} cycles: {each} bytes each");
    assert!(each < BYTES_EACH_MAX, "{each} bytes each");
}

async fn wake_all(waker: &Waker, numbers: RangeInclusive<i64>) {
    let work = stream::iter(numbers).map(|number| async move {
        let wanted = Wanted::AtLeast(Version::new(CYCLES_EACH));
        waker.wake(&call(), user(number), wanted).await.unwrap();
    });
    work.buffer_unordered(128).collect::<Vec<()>>().await;
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
