//! A state that can always take one more length.

use crate::{
    Length, State, Update, UpdateError,
    constants::LENGTHS_MAX,
    numbers::{days, index},
};

/// The lengths that a state was made from, and the state.
#[derive(Clone, PartialEq)]
pub struct Window {
    age_years: Option<f64>,
    lengths: Vec<Length>,
    state: State,
}

impl Window {
    /// No length yet.
    pub fn new(age_years: Option<f64>) -> Self {
        Self { age_years, lengths: Vec::new(), state: State::new(age_years) }
    }

    /// What is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one more length. With 36 lengths known the oldest is forgotten and the rest replayed,
    /// so that the state is always that of [`State::replay`].
    ///
    /// # Errors
    ///
    /// [`UpdateError::TooShort`] and [`UpdateError::ContradictsAnswer`]; the window is unchanged.
    pub fn push(&mut self, length: Length) -> Result<Update, UpdateError> {
        let full = days(self.lengths.len()) >= LENGTHS_MAX;
        let oldest_kept = if full { self.lengths.len() + 1 - index(LENGTHS_MAX) } else { 0 };
        let mut state = if full {
            State::replay(self.age_years, &self.lengths[oldest_kept..])
        } else {
            self.state.clone()
        };
        let update = state.update(length)?;
        self.lengths.drain(..oldest_kept);
        self.lengths.push(length);
        self.state = state;
        Ok(update)
    }
}
