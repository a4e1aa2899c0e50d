//! Named points at which a test can make the process die, panic or fail.
//!
//! They exist only under the cargo feature `fault-injection`, which no release build has; without
//! it every function here is empty and inlined away.
//!
//! `LUNATION_FAULTS` holds a comma-separated list of `name=action[@n[-m]]`: the action happens on
//! the n-th hit (from the n-th to the m-th; on every hit without `@`). Actions are `crash` (SIGKILL
//! to oneself: nothing is flushed, no destructor runs), `panic` and `error`.

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
}

#[cfg(feature = "fault-injection")]
mod points {
    use std::{
        collections::HashMap,
        process::{self, Command},
        sync::{Mutex, OnceLock, PoisonError},
    };

    #[derive(Clone, Copy)]
    enum Action {
        Crash,
        Panic,
        Error,
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
            None => Ok(()),
            Some(Action::Error) => Err(super::Injected),
            #[expect(clippy::panic, reason = "panicking on demand is what this point is for")]
            Some(Action::Panic) => panic!("injected at {name}"),
            Some(Action::Crash) => die(),
        }
    }

    fn hit(name: &str) -> Option<Action> {
        static ARMED: OnceLock<Mutex<HashMap<String, Armed>>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| Mutex::new(from_environment()));
        let mut armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
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

pub use points::{check, point};
