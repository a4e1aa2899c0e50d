//! What a service counts, and tells by the micro protocol.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::service::{endpoint::Stats, error::Error};
use contracts::Refusal;

use super::envelope;

/// The figures of one operation since the process started.
#[derive(Default)]
pub(super) struct Figures {
    requests: AtomicUsize,
    errors: AtomicUsize,
    processing_time_ns: AtomicU64,
    last_error: Mutex<Option<Error>>,
}

impl Figures {
    /// Counts one request that was answered.
    pub(super) fn record(&self, took: Duration, refusal: Option<&Refusal>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.processing_time_ns.fetch_add(took_ns, Ordering::Relaxed);
        if let Some(refusal) = refusal {
            self.errors.fetch_add(1, Ordering::Relaxed);
            let code = usize::from(envelope::micro_code(refusal.kind));
            // The code alone: it is one of a closed list.
            let error = Error { status: refusal.code.clone().into_owned(), code };
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    /// The figures as they are told.
    pub(super) fn told(&self, name: &str, subject: &str, queue_group: &str) -> Stats {
        let requests = self.requests.load(Ordering::Relaxed);
        let total_ns = self.processing_time_ns.load(Ordering::Relaxed);
        let average_ns = u64::try_from(requests).ok().and_then(|count| total_ns.checked_div(count));
        Stats {
            name: name.to_owned(),
            subject: subject.to_owned(),
            requests,
            errors: self.errors.load(Ordering::Relaxed),
            processing_time: Duration::from_nanos(total_ns),
            average_processing_time: Duration::from_nanos(average_ns.unwrap_or_default()),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            data: None,
            queue_group: queue_group.to_owned(),
        }
    }
}
