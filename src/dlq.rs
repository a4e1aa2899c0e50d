//! `lunation dlq`: what consumers gave up on, and what to do about it.

use std::io::Write;

use actor_runtime::clock::Ids;
use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use nats::operator::{KeptLetter, Operator, Replayed};
use serde_json::{Value, json};

use crate::{
    cli::{DlqChoice, DlqCommand, DlqListArgs},
    table::Table,
};

/// Stands for what is not known.
const UNKNOWN: &str = "-";

/// Does it. Whether everything that was named could be done.
///
/// # Errors
/// The broker does not answer, or the output cannot be written.
pub(crate) async fn run(
    operator: &Operator,
    command: &DlqCommand,
    out: &mut impl Write,
) -> Result<bool> {
    match command {
        DlqCommand::List(arguments) => list(operator, arguments, out).await.map(|()| true),
        DlqCommand::Replay(choice) => replay(operator, choice, out).await,
        DlqCommand::Drop(choice) => drop(operator, choice, out).await,
    }
}

/// Lists the newest dead letters.
async fn list(operator: &Operator, arguments: &DlqListArgs, out: &mut impl Write) -> Result<()> {
    let DlqListArgs { limit, group, json, broker: _ } = arguments;
    let limit = usize::try_from(*limit)?;
    let letters = operator.newest_dead_letters(group.as_deref(), limit).await?;
    if *json {
        for letter in &letters {
            writeln!(out, "{}", as_json(letter)?)?;
        }
        return Ok(());
    }
    let mut table = Table::new(&[
        "#ID",
        "GROUP",
        "CLASS",
        "#USER",
        "#VERSION",
        "EVENT",
        "#DELIVERIES",
        "WHEN (UTC)",
    ]);
    letters.iter().map(cells).for_each(|cells| table.row(cells));
    if table.is_empty() {
        writeln!(out, "no dead letters")?;
        return Ok(());
    }
    table.print(out)?;
    let all = operator.dead_letter_count().await?;
    if group.is_none() && all > u64::try_from(letters.len())? {
        writeln!(out, "the newest {} of {all}; --limit {all} shows all", letters.len())?;
    }
    Ok(())
}

/// Wakes the users of dead letters up and removes these.
async fn replay(operator: &Operator, choice: &DlqChoice, out: &mut impl Write) -> Result<bool> {
    let mut chosen = Chosen::of(operator, choice).await?;
    let mut complete = true;
    while let Some((id, letter)) = chosen.next(operator).await? {
        let Some(letter) = letter else {
            writeln!(out, "{id}: there is no such dead letter")?;
            complete = false;
            continue;
        };
        let replayed = operator.replay(&letter, Ids.event_id()).await;
        match replayed.with_context(|| format!("dead letter {id}"))? {
            Replayed::Published { event, .. } => {
                let (topic, wake_up) = (event.topic.name(), event.wake_up);
                writeln!(
                    out,
                    "{id}: woke user {} up by {topic} version {}, event {}",
                    wake_up.user_id, wake_up.version, wake_up.event_id
                )?;
            }
            Replayed::NamesNobody => {
                writeln!(
                    out,
                    "{id}: cannot be replayed, since it names no user; it can only be dropped \
                     (lunation dlq drop {id})"
                )?;
                complete &= choice.all;
            }
        }
    }
    chosen.report(out, "replay")?;
    Ok(complete)
}

/// Removes dead letters.
async fn drop(operator: &Operator, choice: &DlqChoice, out: &mut impl Write) -> Result<bool> {
    let mut chosen = Chosen::of(operator, choice).await?;
    let mut complete = true;
    while let Some((id, letter)) = chosen.next(operator).await? {
        if letter.is_some() {
            let dropped = operator.drop_dead_letter(id).await;
            dropped.with_context(|| format!("dead letter {id}"))?;
            writeln!(out, "{id}: dropped")?;
        } else {
            writeln!(out, "{id}: there is no such dead letter")?;
            complete = false;
        }
    }
    chosen.report(out, "drop")?;
    Ok(complete)
}

/// The dead letters that are meant, one after the other.
struct Chosen {
    rest: Rest,
    any: bool,
}

enum Rest {
    Named(std::vec::IntoIter<u64>),
    /// From this id to that one; what is given up meanwhile is left for the next time.
    All {
        group: Option<String>,
        from: u64,
        to: u64,
    },
}

impl Chosen {
    async fn of(operator: &Operator, choice: &DlqChoice) -> Result<Self> {
        let DlqChoice { ids, all, group, broker: _ } = choice;
        let rest = if *all {
            let newest = operator.newest_dead_letters(group.as_deref(), 1).await?;
            let to = newest.first().map_or(0, |letter| letter.id);
            Rest::All { group: group.clone(), from: 1, to }
        } else {
            Rest::Named(ids.clone().into_iter())
        };
        Ok(Self { rest, any: false })
    }

    /// The next one, with its id; without it if there is none with that id.
    async fn next(&mut self, operator: &Operator) -> Result<Option<(u64, Option<KeptLetter>)>> {
        let next = match &mut self.rest {
            Rest::Named(ids) => match ids.next() {
                Some(id) => Some((id, operator.dead_letter(id).await?)),
                None => None,
            },
            Rest::All { group, from, to } => {
                let letter = operator.next_dead_letter(group.as_deref(), *from).await?;
                let letter = letter.filter(|letter| letter.id <= *to);
                if let Some(letter) = &letter {
                    *from = letter.id + 1;
                }
                letter.map(|letter| (letter.id, Some(letter)))
            }
        };
        self.any |= next.is_some();
        Ok(next)
    }

    fn report(&self, out: &mut impl Write, verb: &str) -> Result<()> {
        if !self.any {
            writeln!(out, "there is no dead letter to {verb}")?;
        }
        Ok(())
    }
}

fn cells(letter: &KeptLetter) -> [String; 8] {
    let record = letter.record.as_ref();
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    let when = DateTime::<Utc>::from(letter.kept_at);
    [
        letter.id.to_string(),
        letter.group().to_owned(),
        letter.class().to_owned(),
        or_unknown(record.and_then(|it| it.user_id).map(|it| it.to_string())),
        or_unknown(record.and_then(|it| it.version).map(|it| it.to_string())),
        or_unknown(record.and_then(|it| it.event_id).map(|it| it.to_string())),
        or_unknown(record.map(|it| it.deliveries.to_string())),
        when.format("%Y-%m-%d %H:%M:%S").to_string(),
    ]
}

/// The record, with where and when it is kept.
fn as_json(letter: &KeptLetter) -> Result<Value> {
    let mut value = match &letter.record {
        Some(record) => serde_json::to_value(record)?,
        None => json!({"group": letter.group(), "class": letter.class()}),
    };
    let when = DateTime::<Utc>::from(letter.kept_at);
    value["id"] = letter.id.into();
    value["kept_at"] = when.to_rfc3339_opts(SecondsFormat::Millis, true).into();
    Ok(value)
}
