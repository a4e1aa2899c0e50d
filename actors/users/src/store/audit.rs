//! The audit log. An entry is written in the transaction of what it tells of, and before it: its owner's
//! row is locked first by everybody.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use contracts::{
    AuditEntryId, Call, SessionId, UserId,
    users::{AuditEntry, AuditKind, AuditPage, ListAudit},
};
use sqlx::{PgConnection, PgPool};

/// Entries of one kind that one hour may bring, where somebody else decides how many there are. What
/// comes then is counted with the last of them.
const COUNTED_PER_HOUR: i64 = 20;

/// Something that is to be noted.
#[derive(Clone)]
pub(crate) struct NewAuditEntry {
    pub(crate) kind: AuditKind,
    pub(crate) at: DateTime<Utc>,
    /// By which session or personal API token.
    pub(crate) session_id: Option<SessionId>,
    /// To which one.
    pub(crate) target_id: Option<SessionId>,
    /// What the client called itself; none for what the session did.
    pub(crate) device: Option<String>,
    /// From where.
    pub(crate) network: Option<String>,
}

impl NewAuditEntry {
    /// What the session of a call does.
    pub(crate) fn of(call: &Call, kind: AuditKind, at: DateTime<Utc>) -> Self {
        Self {
            kind,
            at,
            session_id: call.session,
            target_id: None,
            device: None,
            network: network_of(call.origin),
        }
    }

    /// What is done without a session or an address.
    pub(crate) fn of_nobody(kind: AuditKind, at: DateTime<Utc>) -> Self {
        Self { kind, at, session_id: None, target_id: None, device: None, network: None }
    }

    /// What it does to another one.
    pub(crate) fn to(self, target: SessionId) -> Self {
        Self { target_id: Some(target), ..self }
    }
}

/// As much of an address as tells somebody whether it was them: 256 addresses of IPv4, a site's network
/// of IPv6.
pub(crate) fn network_of(origin: Option<IpAddr>) -> Option<String> {
    Some(match origin?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

/// Notes something, unless the account is gone.
pub(crate) async fn audit_insert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    entry: &NewAuditEntry,
) -> Result<(), sqlx::Error> {
    let NewAuditEntry { kind, at, session_id, target_id, device, network } = entry;
    sqlx::query!(
        r#"INSERT INTO audit (user_id, at, kind, session_id, target_id, device, network, last_at)
           SELECT account.id, $2, $3, $4, $5,
                  coalesce($6, (SELECT label FROM session
                                WHERE user_id = $1 AND session.id = $4 AND kind = 'sign_in')),
                  $7, $2
           FROM account WHERE account.id = $1 FOR KEY SHARE OF account"#,
        user_id.get(),
        at,
        kind.name(),
        session_id.map(SessionId::get),
        target_id.map(SessionId::get),
        device.as_deref(),
        network.as_deref(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes something that may come again and again: of one kind, session and network, an hour has one
/// entry, which counts; and of one kind, [`COUNTED_PER_HOUR`].
pub(crate) async fn audit_count_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    entry: &NewAuditEntry,
) -> Result<(), sqlx::Error> {
    let NewAuditEntry { kind, at, session_id, target_id, device, network } = entry;
    // One after the other: two at once would both find nothing.
    let owner = sqlx::query_scalar!(
        "SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE",
        user_id.get(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if owner.is_none() {
        return Ok(());
    }
    sqlx::query!(
        r#"WITH lately AS (
               SELECT at, id,
                      session_id IS NOT DISTINCT FROM $4 AND network IS NOT DISTINCT FROM $7 AS same
               FROM audit WHERE user_id = $1 AND kind = $3 AND at > $2::timestamptz - interval '1 hour'),
           chosen AS (
               SELECT at, id FROM lately WHERE same OR (SELECT count(*) FROM lately) >= $8
               ORDER BY same DESC, at DESC, id DESC LIMIT 1),
           counted AS (
               UPDATE audit SET times = audit.times + 1, last_at = greatest(audit.last_at, $2)
               FROM chosen
               WHERE audit.user_id = $1 AND audit.at = chosen.at AND audit.id = chosen.id)
           INSERT INTO audit (user_id, at, kind, session_id, target_id, device, network, last_at)
           SELECT $1, $2, $3, $4, $5,
                  coalesce($6, (SELECT label FROM session
                                WHERE user_id = $1 AND session.id = $4 AND kind = 'sign_in')),
                  $7, $2
           WHERE NOT EXISTS (SELECT FROM chosen)"#,
        user_id.get(),
        at,
        kind.name(),
        session_id.map(SessionId::get),
        target_id.map(SessionId::get),
        device.as_deref(),
        network.as_deref(),
        COUNTED_PER_HOUR,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Some entries of somebody, the newest first.
pub(crate) async fn audit_list(
    pool: &PgPool,
    user_id: UserId,
    request: &ListAudit,
) -> Result<AuditPage, sqlx::Error> {
    let ListAudit { user_id: _, kind, from, to, after, limit } = request;
    // One more tells whether there are more.
    let mut rows = sqlx::query!(
        r#"SELECT id, at, kind, session_id, target_id, device, network, times, last_at
           FROM audit
           WHERE user_id = $1 AND ($2::text IS NULL OR kind = $2)
             AND at >= coalesce($3::date::timestamp AT TIME ZONE 'UTC', '-infinity')
             AND at < coalesce(($4::date + 1)::timestamp AT TIME ZONE 'UTC', 'infinity')
             AND ($5::bigint IS NULL
                  OR (at, id) < (SELECT at, id FROM audit WHERE user_id = $1 AND id = $5))
           ORDER BY at DESC, id DESC LIMIT $6"#,
        user_id.get(),
        kind.map(AuditKind::name),
        *from,
        *to,
        after.map(AuditEntryId::get),
        limit + 1,
    )
    .fetch_all(pool)
    .await?;
    let limit = usize::try_from(*limit).unwrap_or_default();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|row| AuditEntryId::new(row.id));
    // A kind that a later release writes has no word here.
    let entries = rows.into_iter().filter_map(|row| {
        Some(AuditEntry {
            id: AuditEntryId::new(row.id),
            at: row.at,
            kind: AuditKind::parse(&row.kind)?,
            session_id: row.session_id.map(SessionId::new),
            target_id: row.target_id.map(SessionId::new),
            device: row.device,
            network: row.network,
            times: row.times.try_into().unwrap_or(u32::MAX),
            last_at: row.last_at,
        })
    });
    Ok(AuditPage { entries: entries.collect(), next })
}

/// Forgets what is older, whoever's it is: at most so many entries at once, and how many there were.
pub(crate) async fn audit_purge(
    pool: &PgPool,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        r#"DELETE FROM audit WHERE (user_id, at, id) IN (
               SELECT user_id, at, id FROM audit WHERE at < $1
               ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)"#,
        before,
        batch,
    )
    .execute(pool)
    .await?;
    Ok(purged.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::network_of;

    #[test]
    fn an_address_is_cut_to_its_network() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:7:8:9:a:b:c", "2001:db8:7::/48"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(network_of(address.parse().ok()).as_deref(), Some(network));
        }
        assert_eq!(network_of(None), None);
    }
}
