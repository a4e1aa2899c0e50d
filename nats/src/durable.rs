//! The durable consumers: who hears what.

use contracts::events::Topic;

/// A durable consumer: one group's place in one topic, shared by all replicas of that group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durable {
    /// The analytics group, on `cycle.changed`.
    Analytics,
    /// The notifications group, on `prediction.changed`.
    Notifications,
}

impl Durable {
    /// Every durable there is.
    pub const ALL: [Self; 2] = [Self::Analytics, Self::Notifications];

    /// The name on the broker, in logs and in `dlq.<group>.<class>`: that of its group.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Notifications => "notifications",
        }
    }

    /// What it hears.
    pub const fn topic(self) -> Topic {
        match self {
            Self::Analytics => Topic::CycleChanged,
            Self::Notifications => Topic::PredictionChanged,
        }
    }
}
