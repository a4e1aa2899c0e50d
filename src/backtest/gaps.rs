//! How well starts that were not logged are found.

use prediction::{Length, Window};

use super::case::{Case, Log, Trial};

/// A length is suspected to hide a start from this probability on.
const SUSPECTED_OVER: f64 = 0.5;

/// Lengths, by what the model suspects and, where it is known, by what is true.
#[derive(Default)]
pub(super) struct Gaps {
    /// Lengths that the model judged.
    pub(super) judged: u32,
    pub(super) suspected: u32,
    /// The same, of those whose truth is known.
    pub(super) known_to_hide: u32,
    pub(super) suspected_of_known: u32,
    pub(super) rightly: u32,
    pub(super) known: u32,
}

impl Gaps {
    pub(super) fn add(&mut self, case: &Case) {
        match case {
            Case::Log(log) => self.add_log(log),
            Case::Trial(trial) => self.add_newest(trial),
        }
    }

    /// The share of suspected lengths that hide a start; none while nothing is suspected.
    pub(super) fn precision(&self) -> Option<f64> {
        share(self.rightly, self.suspected_of_known)
    }

    /// The share of lengths that hide a start that are suspected.
    pub(super) fn recall(&self) -> Option<f64> {
        share(self.rightly, self.known_to_hide)
    }

    fn add_log(&mut self, log: &Log) {
        for probability in missed(log.age_years, &log.lengths).into_iter().flatten() {
            self.judged += 1;
            self.suspected += u32::from(probability > SUSPECTED_OVER);
        }
    }

    fn add_newest(&mut self, trial: &Trial) {
        let Some(Some(probability)) = missed(trial.age_years, &trial.known).pop() else { return };
        let suspected = probability > SUSPECTED_OVER;
        self.judged += 1;
        self.suspected += u32::from(suspected);
        if let Some(hides) = trial.newest_hides_a_start {
            self.known += 1;
            self.known_to_hide += u32::from(hides);
            self.suspected_of_known += u32::from(suspected);
            self.rightly += u32::from(hides && suspected);
        }
    }
}

/// For each length the probability that it hides a start, from it and the ones before it; none for
/// one that the model cannot use.
fn missed(age_years: Option<f64>, lengths: &[Length]) -> Vec<Option<f64>> {
    let mut window = Window::new(age_years);
    let judge = |length: &Length| Some(window.push(*length).ok()?.missed_probability);
    lengths.iter().map(judge).collect()
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}
