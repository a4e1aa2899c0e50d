//! What a token may be used for. Every operation of people names its scope in `mailbox!`, so that
//! none can exist without one.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of operation that a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read one's profile.
    ReadProfile,
    /// Change one's profile.
    WriteProfile,
    /// Read cycles, symptoms and episodes.
    ReadCycles,
    /// Log, change and delete them, and answer questions about them.
    WriteCycles,
    /// Read statistics, predictions, the calendar and questions.
    ReadAnalytics,
    /// Have predictions computed.
    WriteAnalytics,
    /// Read preferences and reminders.
    ReadNotifications,
    /// Change preferences.
    WriteNotifications,
    /// The account itself: sessions, tokens, password, export, erasure. Only who signed in has it;
    /// no personal API token can.
    Account,
}

/// A set of scopes. On a wire it is their names with spaces between (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scope {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 9] = [
        Self::ReadProfile,
        Self::WriteProfile,
        Self::ReadCycles,
        Self::WriteCycles,
        Self::ReadAnalytics,
        Self::WriteAnalytics,
        Self::ReadNotifications,
        Self::WriteNotifications,
        Self::Account,
    ];

    /// Those that a personal API token can have.
    pub const DELEGABLE: [Self; 8] = [
        Self::ReadProfile,
        Self::WriteProfile,
        Self::ReadCycles,
        Self::WriteCycles,
        Self::ReadAnalytics,
        Self::WriteAnalytics,
        Self::ReadNotifications,
        Self::WriteNotifications,
    ];

    /// The name on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadProfile => "read:profile",
            Self::WriteProfile => "write:profile",
            Self::ReadCycles => "read:cycles",
            Self::WriteCycles => "write:cycles",
            Self::ReadAnalytics => "read:analytics",
            Self::WriteAnalytics => "write:analytics",
            Self::ReadNotifications => "read:notifications",
            Self::WriteNotifications => "write:notifications",
            Self::Account => "account",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Scopes {
    /// No scope: allows nothing.
    pub const NONE: Self = Self(0);
    /// What a session has that somebody signed in to.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// Whether an operation of this scope is allowed.
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes of a text. Names that are not known here are those of a newer release: what they
    /// stand for does not exist here, so they allow nothing.
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter_map(Scope::parse).collect()
    }

    /// The scopes in their order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.allow(*scope))
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(formatter, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_and_read() {
        for scope in Scope::ALL {
            let one: Scopes = [scope].into_iter().collect();
            assert_eq!(Scopes::parse(&one.to_string()), one);
            assert!(Scope::ALL.iter().all(|other| one.allow(*other) == (*other == scope)));
        }
        let text = "read:profile write:profile read:cycles write:cycles read:analytics \
                    write:analytics read:notifications write:notifications account";
        assert_eq!(Scopes::ALL.to_string(), text);
        assert_eq!(Scopes::parse(text), Scopes::ALL);
        assert_eq!(serde_json::to_string(&Scopes::NONE).unwrap(), "\"\"");
    }

    #[test]
    fn nothing_else_allows_anything() {
        for text in ["", " ", "READ:cycles", "read:cycles\u{a0}", "fly:moon", "read", "*", "admin"]
        {
            assert!(Scopes::parse(text).is_empty(), "{text:?}");
        }
        let some = Scopes::parse("fly:moon read:cycles read:cycles  account,");
        assert_eq!(some.iter().collect::<Vec<_>>(), [Scope::ReadCycles]);
    }

    #[test]
    fn the_account_is_not_for_api_tokens() {
        let delegable: Scopes = Scope::DELEGABLE.into_iter().collect();
        assert!(!delegable.allow(Scope::Account));
        assert!(Scope::ALL.iter().all(|scope| *scope == Scope::Account || delegable.allow(*scope)));
    }
}
