//! What processes have used of the CPU so far, in seconds (Linux: proc(5)).

use std::{fs, path::Path};

/// Clock ticks of a second, as /proc counts them.
const TICKS: f64 = 100.0;

/// What the service and its embedded Postgres have used.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) service: f64,
    pub(crate) postgres: f64,
}

/// Of these processes, and of the server over the cluster of a data directory.
pub(crate) fn usage(pids: &[u32], data_dir: &Path) -> Usage {
    let service = pids.iter().filter_map(|pid| times(*pid)).map(|it| it.own).sum::<f64>();
    let file = data_dir.join("postgres").join("data").join("postmaster.pid");
    let server = fs::read_to_string(file).unwrap();
    let server: u32 = server.lines().next().unwrap().trim().parse().unwrap();
    let of_server = times(server).map_or(0.0, |it| it.own + it.ended_children);
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = pids.filter_map(times).filter(|it| it.parent == server).map(|it| it.own);
    Usage { service, postgres: of_server + children.sum::<f64>() }
}

struct Times {
    parent: u32,
    own: f64,
    ended_children: f64,
}

/// None if the process has ended meanwhile.
fn times(pid: u32) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, the second field, may hold spaces. Then: the 4th, and the 14th to the 17th.
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let ticks = |from: usize| fields.iter().skip(from).take(2).sum::<f64>() / TICKS;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a process id")]
    let parent = *fields.first()? as u32;
    Some(Times { parent, own: ticks(10), ended_children: ticks(12) })
}
