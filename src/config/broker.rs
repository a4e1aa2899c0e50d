//! Where the broker is, for the commands that need nothing else.

use secrecy::SecretString;

use super::{Bus, Problems, Sources, reader::Reader};

/// Reads and checks where the NATS server is. The other settings may be whatever they are: an
/// operator's machine has no database and no signing key.
///
/// # Errors
/// No server is named, or its address is none.
pub(crate) fn nats_url(sources: &Sources) -> Result<SecretString, Problems> {
    let mut reader = Reader::new(sources)?;
    let bus = Bus::read(&mut reader);
    bus.validate(&mut reader);
    reader.require(
        bus.nats_url.is_some(),
        "nats_url",
        "names no NATS server; give --nats URL or NATS_URL. Without one the bus is in memory: it \
         has no streams, nobody else hears its events, and it keeps no dead letters",
    );
    let problems = reader.into_problems();
    bus.nats_url.filter(|_| problems.is_empty()).ok_or(Problems(problems))
}
