//! Named points at which a test can make the process die, panic or fail.
//!
//! They exist only under the cargo feature `fault-injection`, which no release build has; without
//! it every function here is empty and inlined away.
//!
//! `LUNATION_FAULTS` holds a comma-separated list of `name=action[@n[-m]]`: the action happens on
//! the n-th hit (from the n-th to the m-th; on every hit without `@`). Actions are `crash` (SIGKILL
//! to oneself: nothing is flushed, no destructor runs), `panic` and `error`.
//!
//! A guard is asked for by [`is_off`]: `name=off` takes it out. So a test shows that what a guard
//! prevents does happen without it, and that the test would see it.

#[cfg(all(feature = "fault-injection", not(debug_assertions)))]
compile_error!("faults are for tests: no release build may have them");

/// What an armed point that is asked to fail returns.
#[derive(Debug, thiserror::Error)]
#[error("a fault was injected here")]
pub struct Injected;

#[cfg(not(feature = "fault-injection"))]
mod points {
    /// Does nothing in this build.
    #[inline]
    pub fn point(_name: &'static str) {}

    /// Always well in this build.
    #[inline]
    pub fn check(_name: &'static str) -> Result<(), super::Injected> {
        Ok(())
    }

    /// No guard can be taken out in this build.
    #[inline]
    pub fn is_off(_name: &'static str) -> bool {
        false
    }
}

#[cfg(feature = "fault-injection")]
mod points {
    use std::{
        collections::HashMap,
        process::{self, Command},
        sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    };

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Action {
        Crash,
        Panic,
        Error,
        Off,
    }

    struct Armed {
        action: Action,
        from: u64,
        to: u64,
        hits: u64,
    }

    /// Dies or panics here if the point is armed so and this hit is meant.
    ///
    /// # Panics
    ///
    /// When it is armed to.
    pub fn point(name: &'static str) {
        let _never_an_error = check(name);
    }

    /// Like [`point`], and returns an error if the point is armed to fail.
    ///
    /// # Panics
    ///
    /// When it is armed to.
    pub fn check(name: &'static str) -> Result<(), super::Injected> {
        match hit(name) {
            None | Some(Action::Off) => Ok(()),
            Some(Action::Error) => Err(super::Injected),
            #[expect(clippy::panic, reason = "panicking on demand is what this point is for")]
            Some(Action::Panic) => panic!("injected at {name}"),
            Some(Action::Crash) => die(),
        }
    }

    /// Whether this guard is taken out.
    pub fn is_off(name: &'static str) -> bool {
        armed().get(name).is_some_and(|point| point.action == Action::Off)
    }

    /// A guard that is taken out of the whole process as long as this lives.
    #[must_use = "the guard is back when this is dropped"]
    pub struct TakenOut(&'static str);

    /// Takes a guard out, for a test that has its process for itself.
    pub fn take_out(name: &'static str) -> TakenOut {
        let off = Armed { action: Action::Off, from: 1, to: u64::MAX, hits: 0 };
        armed().insert(name.to_owned(), off);
        TakenOut(name)
    }

    impl Drop for TakenOut {
        fn drop(&mut self) {
            armed().remove(self.0);
        }
    }

    fn armed() -> MutexGuard<'static, HashMap<String, Armed>> {
        static ARMED: OnceLock<Mutex<HashMap<String, Armed>>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| Mutex::new(from_environment()));
        armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hit(name: &str) -> Option<Action> {
        let mut armed = armed();
        let point = armed.get_mut(name)?;
        point.hits += 1;
        (point.from..=point.to).contains(&point.hits).then_some(point.action)
    }

    fn from_environment() -> HashMap<String, Armed> {
        #[expect(clippy::disallowed_methods, reason = "a test arms the points from outside")]
        let list = std::env::var("LUNATION_FAULTS").unwrap_or_default();
        list.split(',').filter_map(parse).collect()
    }

    fn parse(text: &str) -> Option<(String, Armed)> {
        let (name, rest) = text.trim().split_once('=')?;
        let (action, hits) = rest.split_once('@').map_or((rest, None), |(a, h)| (a, Some(h)));
        let action = match action {
            "crash" => Action::Crash,
            "panic" => Action::Panic,
            "error" => Action::Error,
            "off" => Action::Off,
            _ => return None,
        };
        let (from, to) = match hits {
            None => (1, u64::MAX),
            Some(hits) => {
                let (from, to) = hits.split_once('-').unwrap_or((hits, hits));
                (from.parse().ok()?, to.parse().ok()?)
            }
        };
        Some((name.to_owned(), Armed { action, from, to, hits: 0 }))
    }

    fn die() -> ! {
        let own_pid = process::id().to_string();
        let _killed = Command::new("kill").args(["-9", &own_pid]).status();
        process::abort()
    }
}

#[cfg(feature = "fault-injection")]
pub use points::{TakenOut, take_out};
pub use points::{check, is_off, point};
