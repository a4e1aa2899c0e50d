//! `lunation events status`: streams, consumers and services in tables.

use std::{collections::BTreeMap, io::Write};

use anyhow::Result;
use nats::operator::{ConsumerFigures, Operator, ServiceFigures, StreamFigures};

use crate::table::Table;

/// One service: its processes, and what they did together.
#[derive(Default)]
struct Together<'a> {
    versions: Vec<&'a str>,
    processes: usize,
    requests: usize,
    errors: usize,
    busy_ms: f64,
}

/// Shows how streams, consumers and services fare.
///
/// # Errors
/// The broker does not answer, or the output cannot be written.
pub(super) async fn show(operator: &Operator, json: bool, out: &mut impl Write) -> Result<()> {
    let status = operator.status().await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
        return Ok(());
    }
    writeln!(out, "nats-server {}\n", status.server_version)?;
    streams(&status.streams).print(out)?;
    writeln!(out)?;
    consumers(&status.consumers).print(out)?;
    writeln!(out)?;
    if status.services.is_empty() {
        writeln!(out, "no service answers: no group runs with this server")?;
    } else {
        services(&status.services).print(out)?;
    }
    let complete = status.streams.iter().all(|stream| stream.exists)
        && status.consumers.iter().all(|consumer| consumer.exists);
    if !complete {
        writeln!(out, "\nwhat is missing is made by `lunation provision`")?;
    }
    Ok(())
}

fn streams(figures: &[StreamFigures]) -> Table {
    let mut table = Table::new(&["STREAM", "#MESSAGES", "#BYTES", "#FIRST", "#LAST"]);
    for stream in figures {
        let StreamFigures { name, exists, messages, bytes, first_sequence, last_sequence } = stream;
        let numbers = [*messages, *bytes, *first_sequence, *last_sequence];
        table.row(named([name.clone()], numbers.map(|number| number.to_string()), *exists));
    }
    table
}

fn consumers(figures: &[ConsumerFigures]) -> Table {
    let heads =
        ["CONSUMER", "STREAM", "#PENDING", "#ACK PENDING", "#REDELIVERED", "#PULLS WAITING"];
    let mut table = Table::new(&heads);
    for consumer in figures {
        let ConsumerFigures { name, stream, exists, pending, ack_pending, redelivered, waiting } =
            consumer;
        let numbers = [
            pending.to_string(),
            ack_pending.to_string(),
            redelivered.to_string(),
            waiting.to_string(),
        ];
        table.row(named([name.clone(), stream.clone()], numbers, *exists));
    }
    table
}

/// A row of names and numbers; of what is missing the numbers mean nothing.
fn named<const N: usize, const M: usize>(
    names: [String; N],
    mut numbers: [String; M],
    exists: bool,
) -> Vec<String> {
    if !exists {
        numbers = std::array::from_fn(|index| if index == 0 { "missing" } else { "-" }.to_owned());
    }
    names.into_iter().chain(numbers).collect()
}

fn services(figures: &[ServiceFigures]) -> Table {
    let mut services: BTreeMap<&str, Together<'_>> = BTreeMap::new();
    for ServiceFigures { name, id: _, version, endpoints } in figures {
        let service = services.entry(name).or_default();
        service.processes += 1;
        if !service.versions.contains(&version.as_str()) {
            service.versions.push(version);
        }
        for endpoint in endpoints {
            service.requests += endpoint.requests;
            service.errors += endpoint.errors;
            service.busy_ms += endpoint.busy_ms;
        }
    }
    let heads = ["SERVICE", "VERSION", "#PROCESSES", "#REQUESTS", "#ERRORS", "#AVERAGE"];
    let mut table = Table::new(&heads);
    for (name, service) in services {
        let average = match u32::try_from(service.requests).unwrap_or(u32::MAX) {
            0 => "-".to_owned(),
            requests => format!("{:.2} ms", service.busy_ms / f64::from(requests)),
        };
        table.row([
            name.to_owned(),
            service.versions.join(", "),
            service.processes.to_string(),
            service.requests.to_string(),
            service.errors.to_string(),
            average,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use nats::operator::EndpointFigures;

    use super::*;

    fn printed(table: &Table) -> String {
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn processes_of_a_service_are_summed() {
        let process = |id: &str, requests, busy_ms| ServiceFigures {
            name: "lunation-cycles".to_owned(),
            id: id.to_owned(),
            version: "0.1.0".to_owned(),
            endpoints: vec![EndpointFigures {
                subject: "rpc.cycles.v1.get_cycle".to_owned(),
                requests,
                errors: 1,
                busy_ms,
            }],
        };
        let text = printed(&services(&[process("a", 3, 9.0), process("b", 1, 1.0)]));
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["lunation-cycles", "0.1.0", "2", "4", "2", "2.50", "ms"]);
    }

    #[test]
    fn what_is_missing_has_no_figures() {
        let stream = StreamFigures { name: "CYCLES".to_owned(), ..StreamFigures::default() };
        let text = printed(&streams(&[stream]));
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["CYCLES", "missing", "-", "-", "-"]);
    }
}
