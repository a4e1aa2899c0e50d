//! The users group as a group asks it that erases: who was erased, and who heard that it is done.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actor_runtime::clock::Ids;
use contracts::{
    Call, Handle, Refusal, UserId, Version,
    events::{ChangedPage, ChangedSince, ChangedUser, Event, SCHEMA, Topic, Verb, WakeUp},
    handle::{Opened, Transport},
    users::{ErasingGroup, ReportErased, UsersMailbox},
};
use futures::future::BoxFuture;
use nats::{Bus, PublishError};

/// What users knows, for all groups of a test.
#[derive(Clone, Default)]
pub(crate) struct ErasingUsers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    erased: Mutex<BTreeSet<UserId>>,
    told: Mutex<BTreeSet<UserId>>,
    reports: Mutex<Vec<(UserId, ErasingGroup)>>,
    is_deaf: AtomicBool,
}

impl ErasingUsers {
    pub(crate) fn handle(&self) -> Handle<UsersMailbox> {
        Handle::new(Arc::new(self.clone()))
    }

    /// From now on the sweeps find this user.
    pub(crate) fn erase(&self, user_id: UserId) {
        self.0.erased.lock().unwrap().insert(user_id);
    }

    /// Erases a user and tells of it, as users and its relay do. No sweep finds them, so that nobody
    /// is erased twice by chance.
    pub(crate) async fn tell_erased(&self, bus: &Bus, user_id: UserId) {
        self.0.told.lock().unwrap().insert(user_id);
        publish_erased(bus, user_id).await;
    }

    /// Who was reported, in the order in which it came.
    pub(crate) fn reports(&self) -> Vec<(UserId, ErasingGroup)> {
        self.0.reports.lock().unwrap().clone()
    }

    /// Waits until somebody was reported: a sweep has erased.
    pub(crate) async fn reported(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.reports().is_empty() {
            assert!(Instant::now() < deadline, "nobody was erased");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it hears no reports.
    pub(crate) fn set_deaf(&self, is_deaf: bool) {
        self.0.is_deaf.store(is_deaf, Ordering::SeqCst);
    }

    fn list(&self, request: &ChangedSince) -> ChangedPage {
        let mut erased = self.0.erased.lock().unwrap().clone();
        // Whoever asks for one has heard an event; the sweeps ask for many.
        if request.limit == 1 {
            erased.extend(self.0.told.lock().unwrap().iter());
        }
        let rest = erased.into_iter().filter(|user_id| Some(*user_id) > request.after);
        let users = rest.map(|user_id| ChangedUser { user_id, version: Version::FIRST });
        ChangedPage { users: users.take(usize::try_from(request.limit).unwrap()).collect() }
    }
}

impl Transport<UsersMailbox> for ErasingUsers {
    fn deliver(
        &self,
        _call: Call,
        message: UsersMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            match message {
                UsersMailbox::ListErased(request, reply) => {
                    reply.answer(Ok(self.list(&request.0)));
                }
                UsersMailbox::ReportErased(_, reply) if self.0.is_deaf.load(Ordering::SeqCst) => {
                    reply.answer(Err(Refusal::unavailable()));
                }
                UsersMailbox::ReportErased(ReportErased { user_id, group }, reply) => {
                    self.0.reports.lock().unwrap().push((user_id, group));
                    reply.answer(Ok(()));
                }
                _ => return Err(Refusal::unavailable()),
            }
            Ok(opened)
        })
    }
}

/// Delivers `user.erased`, again for as long as somebody asks for that.
pub(crate) async fn publish_erased(bus: &Bus, user_id: UserId) {
    let wake_up = WakeUp {
        event_id: Ids.event_id(),
        user_id,
        version: Version::FIRST,
        verb: Verb::Deleted,
        schema: SCHEMA,
    };
    let (request_id, trace) = (Ids.request_id("test"), Ids.trace());
    let event = Event { topic: Topic::UserErased, wake_up, request_id, trace };
    let mut attempt = 1;
    loop {
        match bus.publish(&event, attempt).await {
            Ok(_) => return,
            Err(PublishError::NotSubscribed(_)) => tokio::task::yield_now().await,
            Err(error) => {
                let delay = error.retry_after().unwrap_or_default();
                tokio::time::sleep(delay).await;
                attempt += 1;
            }
        }
    }
}
