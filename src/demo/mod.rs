//! `lunation demo`: fills a running system with people, through its public API and nothing else.
//!
//! The people are drawn from the model that predicts them (`traits`), and live as people do: some
//! do not log every start, are late, have children, test for ovulation (`plan`).
//!
//! The server is the memory of a run: who exists already is signed in, and only what is missing
//! is logged. So a run that was cut short goes on where it was, on any day and from anywhere. A
//! state file only saves asking again for those who are finished.

mod client;
mod episodes;
mod finished;
mod person;
mod plan;
mod signs;
mod traits;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    client::{Client, SignedIn},
    episodes::Episode,
    finished::Finished,
    person::Person,
    plan::Plan,
};
use crate::{cli::DemoArgs, output};

/// How many people's tokens are shown at the end.
const SHOWN: usize = 3;

/// What one person cost.
#[derive(Default)]
struct Tally {
    cycles: u64,
    symptoms: u64,
    episodes: u64,
}

/// Fills the instance at `base_url` with people.
///
/// # Errors
///
/// The instance is away, or refuses something; running it again goes on where it stopped.
pub(crate) async fn run(arguments: DemoArgs) -> Result<()> {
    let client = Client::new(&arguments.base_url)?;
    client.is_there().await?;
    let finished = Finished::open(arguments.state.as_deref(), &arguments)?;
    let missing: Vec<u32> =
        (0..arguments.users).filter(|index| !finished.contains(*index)).collect();
    let bar = progress_bar(arguments.users, &missing);
    let begun = Instant::now();
    let filling = missing.iter().map(|&index| {
        let person = Person::new(arguments.seed, index);
        let (client, finished, bar) = (&client, &finished, &bar);
        async move {
            let tally = fill(client, &person).await.with_context(|| format!("user {index}"))?;
            finished.add(index)?;
            bar.inc(1);
            Ok::<_, anyhow::Error>(tally)
        }
    });
    let mut filling = stream::iter(filling).buffer_unordered(usize::from(arguments.concurrency));
    let mut total = Tally::default();
    while let Some(tally) = filling.next().await {
        let Tally { cycles, symptoms, episodes } = tally?;
        total.cycles += cycles;
        total.symptoms += symptoms;
        total.episodes += episodes;
    }
    drop(filling);
    bar.finish_and_clear();
    report(&arguments, missing.len(), &total, begun.elapsed())?;
    show_some(&client, &arguments).await
}

/// Makes one person be as planned.
async fn fill(client: &Client, person: &Person) -> Result<Tally> {
    let session = client.register_or_sign_in(person).await?;
    let Plan { cycles, episodes } = person.plan(session.since)?;
    let logged = client.logged_cycles(&session).await?;
    let mut tally = Tally::default();
    for cycle in &cycles {
        let known = logged.iter().find(|known| known.start_date == cycle.start);
        let (id, symptoms) = if let Some(known) = known {
            (known.id, known.symptoms)
        } else {
            tally.cycles += 1;
            (client.log_cycle(&session, cycle).await?, 0)
        };
        for symptom in cycle.symptoms.iter().skip(symptoms) {
            client.log_symptom(&session, id, symptom).await?;
            tally.symptoms += 1;
        }
    }
    if !episodes.is_empty() {
        let logged = client.logged_episodes(&session).await?;
        let is_logged =
            |it: &Episode| logged.iter().any(|(kind, start)| kind == it.kind && *start == it.start);
        for episode in episodes.iter().filter(|episode| !is_logged(episode)) {
            client.log_episode(&session, episode).await?;
            tally.episodes += 1;
        }
    }
    Ok(tally)
}

fn progress_bar(users: u32, missing: &[u32]) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(users));
    let template = "{bar:40} {pos}/{len} people, {per_sec}, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_position(u64::from(users) - missing.len() as u64);
    bar.reset_eta();
    bar
}

fn report(arguments: &DemoArgs, people: usize, total: &Tally, took: Duration) -> Result<()> {
    let writes = total.cycles + total.symptoms + total.episodes + people as u64;
    let rate = u128::from(writes) * 1_000 / took.as_millis().max(1);
    writeln!(
        output::stdout(),
        "{} people, of whom {people} were filled in this run: {} episodes, {} cycles and {} symptoms in {:.1} s ({rate} writes/s)",
        arguments.users,
        total.episodes,
        total.cycles,
        total.symptoms,
        took.as_secs_f64(),
    )?;
    Ok(())
}

/// Prints a few tokens to try.
async fn show_some(client: &Client, arguments: &DemoArgs) -> Result<()> {
    let mut out = output::stdout();
    writeln!(
        out,
        "\nA few of them, to try (their passwords are \"{}\" and so on):",
        Person::new(arguments.seed, 0).password()
    )?;
    let mut last = None;
    for index in (0..arguments.users).take(SHOWN) {
        let person = Person::new(arguments.seed, index);
        let SignedIn { token, .. } = client.sign_in(&person).await?;
        writeln!(out, "\n{}\n{token}", person.email())?;
        last = Some(token);
    }
    let Some(token) = last else { bail!("nobody was asked for") };
    writeln!(
        out,
        "\ncurl -s -H \"Authorization: Bearer {token}\" {}/api/analytics/insights",
        client.base_url()
    )?;
    Ok(())
}
