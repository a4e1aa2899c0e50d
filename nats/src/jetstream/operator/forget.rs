//! Removing what the broker still keeps of users who were erased: the last wake-up of each topic, and
//! every dead letter that names them. None of it holds more than ids and versions, but their id too
//! is theirs.

use contracts::{UserId, events::Topic};

use super::{super::Link, letters, stored};
use crate::{BusError, streams};

/// Removes all of it, and says how many messages that was. Removing again removes what has come
/// since.
pub(in super::super) async fn forget(link: &Link, users: &[UserId]) -> Result<usize, BusError> {
    let mut removed = 0;
    for topic in Topic::ALL {
        let stream = streams::name(topic);
        for user_id in users {
            // One message for each subject; should it have been replaced meanwhile, the next look
            // finds the other.
            let subject = topic.subject(*user_id);
            if let Some(found) = stored::last_of(link, stream, &subject).await? {
                removed += remove(link, stream, found.sequence).await?;
            }
        }
    }
    Ok(removed + forget_dead_letters(link, users).await?)
}

/// Dead letters are filed by group and reason, not by user, so all are looked through.
async fn forget_dead_letters(link: &Link, users: &[UserId]) -> Result<usize, BusError> {
    let subjects: Vec<String> =
        users.iter().flat_map(|user_id| Topic::ALL.map(|topic| topic.subject(*user_id))).collect();
    let (mut removed, mut from) = (0, 1);
    while let Some(letter) = letters::next(link, None, from).await? {
        from = letter.id + 1;
        let names_one = letter.record.as_ref().is_some_and(|record| {
            record.user_id.is_some_and(|user_id| users.contains(&user_id))
                || subjects.contains(&record.subject)
        });
        if names_one {
            removed += remove(link, streams::DEAD_LETTERS, letter.id).await?;
        }
    }
    Ok(removed)
}

/// Somebody else may have removed it in between, or it expired: then it is not there any more.
async fn remove(link: &Link, stream: &str, sequence: u64) -> Result<usize, BusError> {
    match stored::remove(link, stream, sequence).await {
        Ok(()) => Ok(1),
        Err(error) => match stored::at(link, stream, sequence).await? {
            None => Ok(0),
            Some(_still_there) => Err(error),
        },
    }
}
