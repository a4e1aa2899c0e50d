//! Requests between processes: the operation on the first line, as `cycles record_cycle`, then the payload.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::{
    Call, Handle, Refusal,
    analytics::AnalyticsMailbox,
    call::{RequestId, TraceContext},
    cycles::CyclesMailbox,
    handle::{Opened, Transport},
    notifications::NotificationsMailbox,
    users::UsersMailbox,
    wire::{Incoming, WireMailbox},
};
use futures::{
    FutureExt as _,
    future::{self, BoxFuture},
};

use super::first_line;

/// A request that is understood is written as the same one.
pub fn run(input: &[u8]) {
    let Some((line, payload)) = first_line(input) else { return };
    let Some((group, op)) = line.split_once(' ') else { return };
    match group {
        "users" => stays::<UsersMailbox>(op, payload),
        "cycles" => stays::<CyclesMailbox>(op, payload),
        "analytics" => stays::<AnalyticsMailbox>(op, payload),
        "notifications" => stays::<NotificationsMailbox>(op, payload),
        _ => {}
    }
}

fn stays<M: WireMailbox>(op: &str, payload: &[u8]) {
    let Ok(incoming) = M::decode(op, payload) else { return };
    let is_of_people = M::OPS.iter().any(|it| it.name == op && it.scope.is_some());
    assert_eq!(incoming.on_behalf_of().is_some(), is_of_people, "{op}");
    let written = written(incoming);
    let Ok(again) = M::decode(op, &written) else { panic!("{op}: not understood any more") };
    assert_eq!(self::written(again), written, "{op}");
}

/// The payload that the request would be forwarded with.
fn written<M: WireMailbox>(incoming: Incoming<M>) -> Vec<u8> {
    let payload = Arc::new(Mutex::new(Vec::new()));
    let handle = Handle::new(Arc::new(Paper(Arc::clone(&payload))));
    let request_id = RequestId::parse("fuzz").expect("an id");
    let call = Call::new(request_id, TraceContext::from_ids(1, 1), Duration::from_mins(1));
    super::system::within_runtime(|| {
        let _refused = incoming.ask(handle, call).now_or_never().expect("it is refused at once");
    });
    mem::take(&mut *payload.lock().expect("unpoisoned"))
}

/// Notes what is delivered, and refuses it.
struct Paper(Arc<Mutex<Vec<u8>>>);

impl<M: WireMailbox> Transport<M> for Paper {
    fn deliver(&self, _call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        let outgoing = message.encode().expect("a request has JSON");
        *self.0.lock().expect("unpoisoned") = outgoing.payload;
        Box::pin(future::ready(Err(Refusal::unavailable())))
    }
}
