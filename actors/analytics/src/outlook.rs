//! The starts to come from an anchor.

use prediction::{Ahead, Forecast, ForecastStart};

/// A forecast, and the starts to come by it.
pub(crate) struct Outlook {
    pub(crate) forecast: Forecast,
    pub(crate) next: ForecastStart,
    /// The two after it.
    pub(crate) later: [ForecastStart; 2],
}

impl From<Forecast> for Outlook {
    fn from(forecast: Forecast) -> Self {
        let [next, second, third] = Ahead::ALL.map(|ahead| forecast.start(ahead));
        Self { forecast, next, later: [second, third] }
    }
}

impl Outlook {
    /// All starts, in order.
    pub(crate) fn starts(&self) -> impl Iterator<Item = &ForecastStart> {
        [&self.next].into_iter().chain(&self.later)
    }
}
