//! The durable consumers: who hears what.

use contracts::events::Topic;

/// A durable consumer: one group's place in one topic, shared by all replicas of that group. A group
/// has one for each topic that it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durable {
    /// The analytics group, on `cycle.changed`.
    Analytics,
    /// The analytics group, on `user.changed`.
    AnalyticsPeople,
    /// The notifications group, on `prediction.changed`.
    Notifications,
    /// The cycles group, on `user.erased`.
    CyclesErase,
    /// The analytics group, on `user.erased`.
    AnalyticsErase,
    /// The notifications group, on `user.erased`.
    NotificationsErase,
}

impl Durable {
    /// Every durable there is.
    pub const ALL: [Self; 6] = [
        Self::Analytics,
        Self::AnalyticsPeople,
        Self::Notifications,
        Self::CyclesErase,
        Self::AnalyticsErase,
        Self::NotificationsErase,
    ];

    /// The name on the broker and in logs: that of its group, if the group has no other.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::AnalyticsPeople => "analytics-people",
            Self::Notifications => "notifications",
            Self::CyclesErase => "cycles-erase",
            Self::AnalyticsErase => "analytics-erase",
            Self::NotificationsErase => "notifications-erase",
        }
    }

    /// The group that it belongs to, whose name is in `dlq.<group>.<class>`.
    pub const fn group(self) -> &'static str {
        match self {
            Self::CyclesErase => "cycles",
            Self::Analytics | Self::AnalyticsPeople | Self::AnalyticsErase => "analytics",
            Self::Notifications | Self::NotificationsErase => "notifications",
        }
    }

    /// What it hears.
    pub const fn topic(self) -> Topic {
        match self {
            Self::Analytics => Topic::CycleChanged,
            Self::AnalyticsPeople => Topic::UserChanged,
            Self::Notifications => Topic::PredictionChanged,
            Self::CyclesErase | Self::AnalyticsErase | Self::NotificationsErase => {
                Topic::UserErased
            }
        }
    }
}
