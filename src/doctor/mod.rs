//! Checks every dependency and says what to do about what is missing. Changes nothing.

mod databases;
mod machine;
mod network;
mod sealing;

use std::{
    fmt,
    io::{self, Write},
};

use anyhow::Result;

use crate::config::Config;

/// What was found about one thing.
struct Check {
    name: String,
    verdict: Verdict,
    found: String,
    advice: Option<String>,
}

/// Whether it will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Odd,
    Bad,
}

impl Check {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Good, found: found.into(), advice: None }
    }

    fn odd(name: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { name: name.into(), verdict: Verdict::Odd, found: found.into(), advice }
    }

    fn bad(name: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::odd(name, found, advice) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Good => "ok",
            Self::Odd => "odd",
            Self::Bad => "FAIL",
        })
    }
}

/// Checks everything and prints a table. Whether nothing failed.
///
/// # Errors
/// The table cannot be written.
pub(crate) async fn run(config: &Config, out: &mut impl Write) -> Result<bool> {
    let holder = machine::holder(config);
    let mut checks = Vec::new();
    checks.extend(config.warnings.iter().map(|warning| {
        Check::odd("configuration", warning.clone(), "see `lunation config print --reference`")
    }));
    checks.push(machine::clock());
    checks.extend(machine::postgres(config));
    checks.extend(machine::data_directory(config, holder.as_deref()));
    checks.push(machine::signing_key(config));
    checks.extend(Box::pin(sealing::all(config)).await);
    checks.extend(Box::pin(databases::all(config, holder.is_some())).await);
    checks.extend(Box::pin(network::bus(config)).await);
    checks.extend(Box::pin(network::mail(config)).await);
    checks.extend(network::ports(config, holder.is_some()).await);
    print(&checks, out)?;
    Ok(checks.iter().all(|check| check.verdict != Verdict::Bad))
}

fn print(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for Check { name, verdict, found, advice } in checks {
        writeln!(out, "{verdict:<4}  {name:width$}  {found}")?;
        if let Some(advice) = advice {
            writeln!(out, "      {:width$}  -> {advice}", "")?;
        }
    }
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad).count();
    let odd = checks.iter().filter(|check| check.verdict == Verdict::Odd).count();
    writeln!(out, "\n{} checks, {bad} failed, {odd} odd", checks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_per_check_and_advice_below() {
        let checks = [Check::good("clock", "now"), Check::bad("bus", "away", "start it")];
        let mut out = Vec::new();
        print(&checks, &mut out).unwrap();
        let expected = "ok    clock  now\nFAIL  bus    away\n             -> start it\n\n\
                        2 checks, 1 failed, 0 odd\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
