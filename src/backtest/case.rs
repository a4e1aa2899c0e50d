//! What is replayed.

use prediction::{Ahead, Length, Method, Said, Step, Window, walk_forward};

/// Something that came, to be forecast from what came before it.
pub(super) enum Case {
    /// One person's lengths.
    Log(Log),
    /// One length.
    Trial(Trial),
}

/// Lengths of one person in the order of time, or those between two episodes.
pub(super) struct Log {
    pub(super) client: String,
    /// Which of the client's logs, from 1.
    pub(super) part: u32,
    pub(super) age_years: Option<f64>,
    pub(super) lengths: Vec<Length>,
    /// For each length, how many days after its start ovulation was, where that is known.
    pub(super) ovulations: Vec<Option<u32>>,
    /// How many lengths of the log are no part of it: excluded, unusable or in an episode.
    pub(super) left_out: u32,
}

/// One forecast whose truth is known.
pub(super) struct Trial {
    pub(super) client: String,
    pub(super) age_years: Option<f64>,
    /// The lengths before it, which may hide starts.
    pub(super) known: Vec<Length>,
    /// Whether the newest of them does; each of the others was the newest of an earlier trial.
    pub(super) newest_hides_a_start: Option<bool>,
    pub(super) actual: Length,
}

impl Case {
    pub(super) fn client(&self) -> &str {
        match self {
            Self::Log(log) => &log.client,
            Self::Trial(trial) => &trial.client,
        }
    }

    /// A name that no other sequence of forecasts has.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Log(Log { client, part: part @ 2.., .. }) => format!("{client}, part {part}"),
            other => other.client().to_owned(),
        }
    }

    /// Each forecast by a method, from what was known at its time.
    pub(super) fn steps(&self, method: Method) -> Vec<Step> {
        match self {
            Self::Log(log) => walk_forward(method, log.age_years, &log.lengths),
            Self::Trial(trial) => trial.step(method).into_iter().collect(),
        }
    }
}

impl Trial {
    fn step(&self, method: Method) -> Option<Step> {
        if method == Method::Model {
            // The last step alone: the tables of the others would be made for nothing.
            return Some(Step {
                n_known: u32::try_from(self.known.len()).unwrap_or(u32::MAX),
                said: Said::from_table(self.window().state().table(Ahead::Next)),
                actual_days: self.actual.days,
            });
        }
        let all: Vec<Length> = self.known.iter().copied().chain([self.actual]).collect();
        walk_forward(method, self.age_years, &all).pop()
    }

    fn window(&self) -> Window {
        let mut window = Window::new(self.age_years);
        for length in &self.known {
            // What the model cannot use it does not learn.
            let _unusable = window.push(*length);
        }
        window
    }
}
