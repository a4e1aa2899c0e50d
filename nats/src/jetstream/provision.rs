//! Streams and durables as they shall be: created, corrected, and compared with what the server
//! says that it has made of them.

use async_nats::jetstream::{
    self, ErrorCode,
    consumer::pull,
    stream::{Config, Info},
};
use serde::{Deserialize, Serialize};

use super::{Link, refused};
use crate::{BusError, Durable, streams};

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
pub(super) async fn all(link: &Link) -> Result<(), BusError> {
    for config in streams::all(link.replicas) {
        stream(link, &config).await?;
    }
    for durable in Durable::ALL {
        consumer(link, durable).await?;
    }
    Ok(())
}

/// One durable and the stream below it.
pub(super) async fn durable(link: &Link, durable: Durable) -> Result<(), BusError> {
    stream(link, &streams::topic(durable.topic(), link.replicas)).await?;
    consumer(link, durable).await
}

async fn stream(link: &Link, wanted: &Config) -> Result<(), BusError> {
    let name = &wanted.name;
    let members = streams::stream_members(wanted);
    let found = match link.stream_info(name).await? {
        Some(info) if streams::stream_members(&info.config) == members => return Ok(()),
        Some(_different) => {
            tracing::warn!(stream = %name, "the stream's settings differ; correcting them");
            let action = "update a stream";
            let answer: Result<Info, jetstream::Error> =
                link.command(action, format!("STREAM.UPDATE.{name}"), wanted).await?;
            answer.map_err(|error| refused(action, &error))?
        }
        None => {
            let action = "create a stream";
            let answer: Result<Info, jetstream::Error> =
                link.command(action, format!("STREAM.CREATE.{name}"), wanted).await?;
            let info = answer.map_err(|error| refused(action, &error))?;
            tracing::info!(stream = %name, "created the stream");
            info
        }
    };
    compare(&format!("stream {name}"), members, streams::stream_members(&found.config))
}

async fn consumer(link: &Link, durable: Durable) -> Result<(), BusError> {
    let name = durable.name();
    let stream = streams::name(durable.topic());
    let wanted = streams::consumer(durable);
    let members = streams::consumer_members(&wanted);
    let action = "look up a consumer";
    let answer: Result<ConsumerInfo, jetstream::Error> =
        link.look_up(action, format!("CONSUMER.INFO.{stream}.{name}")).await?;
    match answer {
        Ok(info) if streams::consumer_members(&info.config) == members => return Ok(()),
        Ok(_different) => {
            tracing::warn!(consumer = name, "the consumer's settings differ; correcting them");
        }
        Err(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => {
            tracing::info!(consumer = name, "creating the consumer");
        }
        Err(error) => return Err(refused(action, &error)),
    }
    let action = "create a consumer";
    let request = ConsumerRequest { stream_name: stream, config: &wanted };
    let answer: Result<ConsumerInfo, jetstream::Error> =
        link.command(action, format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &request).await?;
    let found = answer.map_err(|error| refused(action, &error))?;
    compare(&format!("consumer {name}"), members, streams::consumer_members(&found.config))
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
