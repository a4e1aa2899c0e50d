//! Admission: ractor's mailboxes are unbounded, so what is in flight is bounded here, before it
//! becomes latency and memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contracts::{Refusal, UserId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};

/// Longest wait for admission.
const ADMISSION_WAIT: Duration = Duration::from_millis(100);

/// How much may be in flight in one group.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Of all users together.
    pub in_flight_max: usize,
    /// Of one user.
    pub in_flight_per_user_max: usize,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { in_flight_max: 256, in_flight_per_user_max: 8 }
    }
}

/// The door of one group.
#[derive(Clone)]
pub struct Admission {
    group: Arc<Semaphore>,
    users: Arc<Mutex<HashMap<UserId, Arc<Semaphore>>>>,
    limits: AdmissionLimits,
}

/// Leave to be in flight; given back when it is dropped.
pub struct Admitted {
    _group: OwnedSemaphorePermit,
    _user: Option<UserPermit>,
}

struct UserPermit {
    user_id: UserId,
    permit: Option<OwnedSemaphorePermit>,
    admission: Admission,
}

impl Admission {
    /// A door with these limits.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self {
            group: Arc::new(Semaphore::new(limits.in_flight_max)),
            users: Arc::default(),
            limits,
        }
    }

    /// Lets one request in, after a short wait if need be.
    ///
    /// # Errors
    ///
    /// `Overloaded`: certainly not carried out.
    pub async fn admit(&self, user_id: Option<UserId>) -> Result<Admitted, Refusal> {
        let deadline = Instant::now() + ADMISSION_WAIT;
        let user = match user_id {
            None => None,
            Some(user_id) => {
                // Made before the wait: an asker who goes away in it leaves nothing behind.
                let mut user = UserPermit { user_id, permit: None, admission: self.clone() };
                user.permit = acquire(self.of_user(user_id), deadline).await;
                if user.permit.is_none() {
                    return Err(Refusal::overloaded());
                }
                Some(user)
            }
        };
        let group = acquire(Arc::clone(&self.group), deadline).await;
        let group = group.ok_or_else(Refusal::overloaded)?;
        Ok(Admitted { _group: group, _user: user })
    }

    fn of_user(&self, user_id: UserId) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Semaphore::new(self.limits.in_flight_per_user_max));
        Arc::clone(users.entry(user_id).or_insert_with(fresh))
    }
}

impl Drop for UserPermit {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut users = self.admission.users.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the table itself still knows the semaphore: nobody is in flight or waits.
        if users.get(&self.user_id).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            users.remove(&self.user_id);
        }
    }
}

async fn acquire(semaphore: Arc<Semaphore>, deadline: Instant) -> Option<OwnedSemaphorePermit> {
    match Arc::clone(&semaphore).try_acquire_owned() {
        Ok(permit) => Some(permit),
        Err(_) => time::timeout_at(deadline, semaphore.acquire_owned()).await.ok()?.ok(),
    }
}

#[cfg(test)]
mod tests {
    use contracts::{ErrorKind, UserId};
    use futures::FutureExt;

    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits { in_flight_max: 3, in_flight_per_user_max: 2 };

    #[tokio::test(start_paused = true)]
    async fn one_user_cannot_take_every_place() {
        let admission = Admission::new(LIMITS);
        let greedy = Some(UserId::new(1));
        let _first = admission.admit(greedy).await.unwrap();
        let second = admission.admit(greedy).await.unwrap();
        let third = admission.admit(greedy).await.err().unwrap();
        assert_eq!(third.kind, ErrorKind::Overloaded);
        let _other = admission.admit(Some(UserId::new(2))).await.unwrap();
        drop(second);
        let _again = admission.admit(greedy).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_who_goes_away_while_it_waits_leaves_nothing_behind() {
        let admission = Admission::new(LIMITS);
        let user = Some(UserId::new(1));
        let first = admission.admit(user).await.unwrap();
        let second = admission.admit(user).await.unwrap();
        let mut waiting = Box::pin(admission.admit(user));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((first, second));
        drop(waiting);
        assert!(admission.users.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_group_is_bounded_and_idle_users_are_forgotten() {
        let admission = Admission::new(LIMITS);
        let mut admitted = Vec::new();
        for user in 1..=3 {
            admitted.push(admission.admit(Some(UserId::new(user))).await.unwrap());
        }
        assert!(admission.admit(None).await.is_err());
        drop(admitted);
        assert!(admission.users.lock().unwrap().is_empty());
        assert!(admission.admit(None).await.is_ok());
    }
}
