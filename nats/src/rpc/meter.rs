//! What Prometheus learns of requests between processes. Labels come from closed lists: the group,
//! the operation by its wire name, the outcome.

use std::time::Instant;

use contracts::{ErrorKind, Refusal, wire::Op};

/// Names of a side's metrics.
struct Names {
    requests: &'static str,
    seconds: &'static str,
}

const ASKED: Names = Names {
    requests: "lunation_rpc_client_requests_total",
    seconds: "lunation_rpc_client_duration_seconds",
};
const ANSWERED: Names = Names {
    requests: "lunation_rpc_server_requests_total",
    seconds: "lunation_rpc_server_duration_seconds",
};

/// Whoever asked went away before there was an answer.
const ABANDONED: &str = "abandoned";

/// A request that this process waits for. Counted when it is dropped: whoever gives up waiting at
/// the deadline drops it without an outcome, and is told `Interrupted`.
pub(super) struct Asking {
    group: &'static str,
    op: Op,
    started: Instant,
    deadline: Instant,
    outcome: Option<&'static str>,
}

impl Asking {
    pub(super) fn new(group: &'static str, op: Op, deadline: Instant) -> Self {
        Self { group, op, started: Instant::now(), deadline, outcome: None }
    }

    /// What came of it.
    pub(super) fn ended(mut self, refusal: Option<&Refusal>) {
        self.outcome = Some(outcome(refusal));
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let late = || Instant::now() >= self.deadline;
        let outcome = self
            .outcome
            .unwrap_or_else(|| if late() { name_of(ErrorKind::Interrupted) } else { ABANDONED });
        count(&ASKED, self.group, self.op, self.started, outcome);
    }
}

/// Counts a request of another process that was answered.
pub(super) fn answered(group: &'static str, op: Op, started: Instant, refusal: Option<&Refusal>) {
    count(&ANSWERED, group, op, started, outcome(refusal));
}

fn count(names: &Names, group: &'static str, op: Op, started: Instant, outcome: &'static str) {
    let op = op.name;
    metrics::counter!(names.requests, "group" => group, "op" => op, "outcome" => outcome)
        .increment(1);
    metrics::histogram!(names.seconds, "group" => group, "op" => op)
        .record(started.elapsed().as_secs_f64());
}

fn outcome(refusal: Option<&Refusal>) -> &'static str {
    refusal.map_or("ok", |refusal| name_of(refusal.kind))
}

const fn name_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Throttled => "throttled",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::Internal => "internal",
    }
}
