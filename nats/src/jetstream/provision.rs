//! Streams and durables as they shall be: created, corrected, and compared with what the server
//! says that it has made of them.

use async_nats::jetstream::{
    self, ErrorCode,
    consumer::pull,
    stream::{Config, Info},
};
use serde::{Deserialize, Serialize};

use super::{Link, refused};
use crate::{Asserted, BusError, Change, Durable, streams};

#[derive(Serialize)]
struct ConsumerRequest<'a> {
    stream_name: &'a str,
    config: &'a pull::Config,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    config: pull::Config,
}

/// Every stream and every durable.
pub(super) async fn all(link: &Link) -> Result<Vec<Asserted>, BusError> {
    let mut asserted = Vec::new();
    for config in streams::all(link.replicas) {
        asserted.push(stream(link, &config).await?);
    }
    for durable in Durable::ALL {
        asserted.push(consumer(link, durable).await?);
    }
    Ok(asserted)
}

/// Whether a durable is there. Anybody who reads from it may ask.
pub(super) async fn has_durable(link: &Link, durable: Durable) -> Result<bool, BusError> {
    let (stream, name) = (streams::name(durable.topic()), durable.name());
    let action = "look up a consumer";
    let answer: Result<ConsumerInfo, jetstream::Error> =
        link.look_up(action, format!("CONSUMER.INFO.{stream}.{name}")).await?;
    match answer {
        Ok(_info) => Ok(true),
        Err(error)
            if [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND]
                .contains(&error.error_code()) =>
        {
            Ok(false)
        }
        Err(error) => Err(refused(action, &error)),
    }
}

async fn stream(link: &Link, wanted: &Config) -> Result<Asserted, BusError> {
    let name = &wanted.name;
    let object = format!("stream {name}");
    let members = streams::stream_members(wanted);
    let (found, change) = match link.stream_info(name).await? {
        Some(info) if streams::stream_members(&info.config) == members => {
            return Ok(Asserted { object, change: Change::None });
        }
        Some(_different) => {
            tracing::warn!(stream = %name, "the stream's settings differ; correcting them");
            let action = "update a stream";
            let answer: Result<Info, jetstream::Error> =
                link.command(action, format!("STREAM.UPDATE.{name}"), wanted).await?;
            (answer.map_err(|error| refused(action, &error))?, Change::Corrected)
        }
        None => {
            let action = "create a stream";
            let answer: Result<Info, jetstream::Error> =
                link.command(action, format!("STREAM.CREATE.{name}"), wanted).await?;
            match answer {
                Ok(info) => {
                    tracing::info!(stream = %name, "created the stream");
                    (info, Change::Created)
                }
                Err(error) => match made_meanwhile(link, name, &error).await? {
                    Some(info) => (info, Change::None),
                    None => return Err(refused(action, &error)),
                },
            }
        }
    };
    compare(&object, members, streams::stream_members(&found.config))?;
    Ok(Asserted { object, change })
}

/// The stream, if it could not be created because another process has just done so. Of two that
/// create it at the same instant the server may tell the second that its subjects overlap with those
/// of another stream: that one.
async fn made_meanwhile(
    link: &Link,
    name: &str,
    error: &jetstream::Error,
) -> Result<Option<Info>, BusError> {
    let taken = [ErrorCode::STREAM_NAME_EXIST, ErrorCode::STREAM_SUBJECT_OVERLAP];
    if taken.contains(&error.error_code()) { link.stream_info(name).await } else { Ok(None) }
}

async fn consumer(link: &Link, durable: Durable) -> Result<Asserted, BusError> {
    let name = durable.name();
    let object = format!("consumer {name}");
    let stream = streams::name(durable.topic());
    let wanted = streams::consumer(durable);
    let members = streams::consumer_members(&wanted);
    let action = "look up a consumer";
    let answer: Result<ConsumerInfo, jetstream::Error> =
        link.look_up(action, format!("CONSUMER.INFO.{stream}.{name}")).await?;
    let change = match answer {
        Ok(info) if streams::consumer_members(&info.config) == members => {
            return Ok(Asserted { object, change: Change::None });
        }
        Ok(_different) => {
            tracing::warn!(consumer = name, "the consumer's settings differ; correcting them");
            Change::Corrected
        }
        Err(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => {
            tracing::info!(consumer = name, "creating the consumer");
            Change::Created
        }
        Err(error) => return Err(refused(action, &error)),
    };
    let action = "create a consumer";
    let request = ConsumerRequest { stream_name: stream, config: &wanted };
    let answer: Result<ConsumerInfo, jetstream::Error> =
        link.command(action, format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &request).await?;
    let found = answer.map_err(|error| refused(action, &error))?;
    compare(&object, members, streams::consumer_members(&found.config))?;
    Ok(Asserted { object, change })
}

/// The first setting that is not as it was asked for.
fn compare(
    object: &str,
    wanted: Vec<(&'static str, String)>,
    found: Vec<(&'static str, String)>,
) -> Result<(), BusError> {
    for ((member, expected), (_same_member, found)) in wanted.into_iter().zip(found) {
        if expected != found {
            let object = object.to_owned();
            return Err(BusError::Configuration { object, member, expected, found });
        }
    }
    Ok(())
}
