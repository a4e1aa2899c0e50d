//! What the fuzz targets do with their input: they hand it to the code that hears strangers, and panic if
//! that panics or breaks a promise. `tests/fuzz` does the same with every file of the corpora.

pub mod bodies;
pub mod cursors;
pub mod dates;
pub mod events;
pub mod imports;
pub mod parameters;
pub mod rpc;
pub mod system;
pub mod tokens;

/// What takes an input.
pub type Target = fn(&[u8]);

/// Every target: its name, which is that of its corpus, and what it does.
pub const TARGETS: [(&str, Target); 8] = [
    ("bodies", bodies::run),
    ("cursors", cursors::run),
    ("dates", dates::run),
    ("events", events::run),
    ("imports", imports::run),
    ("parameters", parameters::run),
    ("rpc", rpc::run),
    ("tokens", tokens::run),
];

/// The first line of an input, and what follows it.
fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let line = str::from_utf8(input.get(..end)?).ok()?;
    Some((line, input.get(end + 1..)?))
}
