//! `Debug` of everything that holds health data shows the type and no value, so that no log
//! line or error message of a caller can leak a date.

use std::fmt::{Debug, Formatter, Result};

use crate::{CycleStatistics, DateRange, History, Interval, LoggedCycle, Prediction, Statistics};

impl Debug for History {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

impl Debug for LoggedCycle {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LoggedCycle").finish_non_exhaustive()
    }
}

impl Debug for Prediction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Prediction").finish_non_exhaustive()
    }
}

impl Debug for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Interval").finish_non_exhaustive()
    }
}

impl Debug for DateRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("DateRange").finish_non_exhaustive()
    }
}

impl Debug for Statistics {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Statistics").finish_non_exhaustive()
    }
}

impl Debug for CycleStatistics {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CycleStatistics").finish_non_exhaustive()
    }
}
