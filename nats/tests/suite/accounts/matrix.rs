//! Every credential tries everything, and does what is its own alone.

use nats::accounts::Credential::{
    self, All, Analytics, Cycles, Gateway, Notifications, Operator, Provisioner, Users,
};

use super::server::{
    Attempt::{self, Publish, Queue, Subscribe},
    GuardedServer,
};

/// What may be tried, and who may do it. Written by hand: it does not know the table.
const MATRIX: &[(Attempt, &[Credential])] = &[
    // Asking a group.
    (Publish("rpc.users.v1.login"), &[Gateway, All]),
    (Publish("rpc.users.v1.get_signing_keys"), &[Gateway, Cycles, Analytics, Notifications, All]),
    (Publish("rpc.users.v1.list_revocations"), &[Gateway, Cycles, Analytics, Notifications, All]),
    (Publish("rpc.users.v1.refresh_session"), &[Gateway, All]),
    (Publish("rpc.users.v1.exchange_api_token"), &[Gateway, All]),
    (Publish("rpc.cycles.v1.list_cycles"), &[Gateway, All]),
    (Publish("rpc.cycles.v1.answer_gap"), &[Gateway, Analytics, All]),
    (Publish("rpc.analytics.v1.get_insights"), &[Gateway, All]),
    (Publish("rpc.notifications.v1.get_preferences"), &[Gateway, All]),
    (Publish("svc.cycles.v1.get_history"), &[Analytics, All]),
    (Publish("svc.cycles.v1.changed_since"), &[Analytics, All]),
    (Publish("svc.analytics.v1.get_active_prediction"), &[Notifications, All]),
    (Publish("svc.users.v1.get_person"), &[Analytics, All]),
    (Publish("svc.users.v1.changed_since"), &[Analytics, All]),
    (Publish("svc.users.v1.list_erased"), &[Cycles, Analytics, Notifications, All]),
    (Publish("svc.users.v1.erasure_done"), &[Cycles, Analytics, Notifications, All]),
    (Publish("svc.notifications.v1.anything"), &[]),
    (Publish("rpc.other.v1.anything"), &[]),
    (Publish("rpc.users.v2.login"), &[]),
    // Answering for a group, and listening to what others ask it.
    (Queue("rpc.users.v1.login", "users"), &[Users, All]),
    (Queue("rpc.cycles.v1.list_cycles", "cycles"), &[Cycles, All]),
    (Queue("rpc.analytics.v1.get_insights", "analytics"), &[Analytics, All]),
    (Queue("rpc.notifications.v1.get_preferences", "notifications"), &[Notifications, All]),
    (Queue("svc.users.v1.get_person", "users"), &[Users, All]),
    (Queue("svc.cycles.v1.get_history", "cycles"), &[Cycles, All]),
    (Queue("svc.analytics.v1.changed_since", "analytics"), &[Analytics, All]),
    (Queue("rpc.users.v1.login", "others"), &[]),
    (Subscribe("rpc.users.v1.login"), &[]),
    (Subscribe("rpc.cycles.v1.*"), &[]),
    (Subscribe("rpc.>"), &[]),
    (Subscribe("svc.>"), &[]),
    (Subscribe(">"), &[]),
    (Subscribe("*.>"), &[]),
    // Inboxes.
    (Subscribe("_INBOX_gateway.1.*"), &[Gateway]),
    (Subscribe("_INBOX_users.1.*"), &[Users]),
    (Subscribe("_INBOX_cycles.1.*"), &[Cycles]),
    (Subscribe("_INBOX_analytics.1.*"), &[Analytics]),
    (Subscribe("_INBOX_notifications.1.*"), &[Notifications]),
    (Subscribe("_INBOX_provisioner.1.*"), &[Provisioner]),
    (Subscribe("_INBOX_operator.1.*"), &[Operator]),
    (Subscribe("_INBOX_all.1.*"), &[All]),
    (Subscribe("_INBOX.>"), &[]),
    (Publish("_INBOX_gateway.1.1"), &[Users, Cycles, Analytics, Notifications, All]),
    (Publish("_INBOX_users.1.1"), &[]),
    (Publish("_INBOX_cycles.1.1"), &[Users, All]),
    (Publish("_INBOX_analytics.1.1"), &[Users, Cycles, All]),
    (Publish("_INBOX_notifications.1.1"), &[Users, Analytics, All]),
    (Publish("_INBOX_provisioner.1.1"), &[]),
    (Publish("_INBOX_operator.1.1"), &[Users, Cycles, Analytics, Notifications, All]),
    (Publish("_INBOX_all.1.1"), &[Users, Cycles, Analytics, Notifications, All]),
    // Events.
    (Publish("cycle.changed.v1.33.42"), &[Cycles, Operator, All]),
    (Publish("prediction.changed.v1.33.42"), &[Analytics, Operator, All]),
    (Publish("user.changed.v1.33.42"), &[Users, Operator, All]),
    (Publish("user.erased.v1.33.42"), &[Users, Operator, All]),
    (Publish("user.other.v1.33.42"), &[]),
    (Publish("dlq.cycles.poison"), &[Cycles, All]),
    (Publish("dlq.analytics.poison"), &[Analytics, All]),
    (Publish("dlq.notifications.poison"), &[Notifications, All]),
    (Subscribe("cycle.changed.v1.>"), &[Operator]),
    (Subscribe("prediction.>"), &[Operator]),
    (Subscribe("user.changed.v1.>"), &[Operator]),
    (Subscribe("dlq.>"), &[Operator]),
    // Taking and settling events of a durable.
    (Publish("$JS.API.CONSUMER.MSG.NEXT.CYCLES.analytics"), &[Analytics, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.PREDICTIONS.notifications"), &[Notifications, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.USERS.analytics-people"), &[Analytics, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.USERS.cycles-erase"), &[Cycles, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.USERS.analytics-erase"), &[Analytics, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.USERS.notifications-erase"), &[Notifications, All]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.CYCLES.other"), &[]),
    (Publish("$JS.API.CONSUMER.MSG.NEXT.USERS.other"), &[]),
    (Publish("$JS.ACK.CYCLES.analytics.1.1.1.1.0"), &[Analytics, All]),
    (Publish("$JS.ACK.PREDICTIONS.notifications.1.1.1.1.0"), &[Notifications, All]),
    (Publish("$JS.ACK.USERS.analytics-people.1.1.1.1.0"), &[Analytics, All]),
    (Publish("$JS.ACK.USERS.cycles-erase.1.1.1.1.0"), &[Cycles, All]),
    (Publish("$JS.ACK.USERS.analytics-erase.1.1.1.1.0"), &[Analytics, All]),
    (Publish("$JS.ACK.USERS.notifications-erase.1.1.1.1.0"), &[Notifications, All]),
    (Publish("$JS.ACK.CYCLES.other.1.1.1.1.0"), &[]),
    // Looking at streams and durables.
    (Publish("$JS.API.STREAM.INFO.CYCLES"), &[Cycles, Provisioner, Operator, All]),
    (Publish("$JS.API.STREAM.INFO.PREDICTIONS"), &[Analytics, Provisioner, Operator, All]),
    (Publish("$JS.API.STREAM.INFO.USERS"), &[Users, Provisioner, Operator, All]),
    (Publish("$JS.API.STREAM.INFO.DLQ"), &[Provisioner, Operator, All]),
    (Publish("$JS.API.CONSUMER.INFO.CYCLES.analytics"), &[Analytics, Provisioner, Operator, All]),
    (
        Publish("$JS.API.CONSUMER.INFO.USERS.analytics-people"),
        &[Analytics, Provisioner, Operator, All],
    ),
    (
        Publish("$JS.API.CONSUMER.INFO.PREDICTIONS.notifications"),
        &[Notifications, Provisioner, Operator, All],
    ),
    (Publish("$JS.API.STREAM.LIST"), &[Operator]),
    (Publish("$JS.API.STREAM.MSG.GET.CYCLES"), &[Users, Operator, All]),
    (Publish("$JS.API.DIRECT.GET.CYCLES"), &[]),
    (Publish("$JS.API.INFO"), &[Operator]),
    // Making, changing and removing them.
    (Publish("$JS.API.STREAM.CREATE.CYCLES"), &[Provisioner, All]),
    (Publish("$JS.API.STREAM.UPDATE.DLQ"), &[Provisioner, All]),
    (Publish("$JS.API.STREAM.CREATE.SPY"), &[]),
    (Publish("$JS.API.STREAM.DELETE.CYCLES"), &[]),
    (Publish("$JS.API.STREAM.PURGE.CYCLES"), &[]),
    (Publish("$JS.API.STREAM.PURGE.DLQ"), &[]),
    (Publish("$JS.API.STREAM.MSG.DELETE.CYCLES"), &[Users, All]),
    (Publish("$JS.API.STREAM.MSG.DELETE.USERS"), &[Users, All]),
    (Publish("$JS.API.STREAM.MSG.DELETE.DLQ"), &[Users, Operator, All]),
    (Publish("$JS.API.STREAM.SNAPSHOT.CYCLES"), &[]),
    (Publish("$JS.API.STREAM.RESTORE.CYCLES"), &[]),
    (Publish("$JS.API.CONSUMER.DURABLE.CREATE.CYCLES.analytics"), &[Provisioner, All]),
    (Publish("$JS.API.CONSUMER.DURABLE.CREATE.USERS.analytics-people"), &[Provisioner, All]),
    (Publish("$JS.API.CONSUMER.DURABLE.CREATE.CYCLES.spy"), &[]),
    (Publish("$JS.API.CONSUMER.CREATE.CYCLES"), &[]),
    (Publish("$JS.API.CONSUMER.CREATE.CYCLES.spy.cycle.>"), &[]),
    (Publish("$JS.API.CONSUMER.DELETE.CYCLES.analytics"), &[]),
    // The micro protocol, and the server itself.
    (Publish("$SRV.STATS"), &[Operator]),
    (Publish("$SRV.INFO.lunation-users"), &[Operator]),
    (Subscribe("$SRV.PING"), &[Users, Cycles, Analytics, Notifications, All]),
    (Subscribe("$SRV.INFO"), &[Users, Cycles, Analytics, Notifications, All]),
    (Subscribe("$SRV.STATS"), &[Users, Cycles, Analytics, Notifications, All]),
    (Subscribe("$SRV.PING.lunation-users"), &[Users, All]),
    (Subscribe("$SRV.PING.lunation-users.1"), &[Users, All]),
    (Subscribe("$SRV.INFO.lunation-cycles"), &[Cycles, All]),
    (Subscribe("$SRV.STATS.lunation-cycles.1"), &[Cycles, All]),
    (Subscribe("$SRV.>"), &[]),
    (Publish("$SYS.REQ.SERVER.PING"), &[]),
    (Publish("$SYS.REQ.ACCOUNT.PING.CONNZ"), &[]),
    (Subscribe("$SYS.>"), &[]),
    (Publish("anything"), &[]),
];

#[test]
fn everybody_does_what_is_theirs_and_nothing_else() {
    let server = GuardedServer::start();
    let attempts: Vec<Attempt> = MATRIX.iter().map(|(attempt, _who)| *attempt).collect();
    let mut wrong = Vec::new();
    for credential in Credential::EVERY {
        let refusals = server.refusals(credential, &attempts);
        for ((attempt, who), refused) in MATRIX.iter().zip(refusals) {
            if who.contains(&credential) == refused {
                let found = if refused { "refused" } else { "let do" };
                wrong.push(format!("{credential} is {found}: {attempt:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rows of the matrix mean something only if they reach what they are about: every permission
/// of the table is the one of some row.
#[test]
fn every_permission_is_tried() {
    let covers = |pattern: &str, subject: &str| {
        let mut subject = subject.split('.');
        for token in pattern.split('.') {
            match (token, subject.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (token, Some(found)) if token == found => {}
                _differs => return false,
            }
        }
        subject.next().is_none()
    };
    // In the same words for others, or looked at by the operator alone.
    let kinds = ["$JS.API.STREAM.", "$JS.API.CONSUMER.", "user.", "$JS.EVENT.ADVISORY.", "$SRV."];
    let mut untried = Vec::new();
    for credential in Credential::EVERY {
        for permission in nats::accounts::permissions(credential) {
            let pattern = permission.subject.as_str();
            let tried = MATRIX.iter().any(|(attempt, who)| {
                let (Publish(subject) | Subscribe(subject) | Queue(subject, _)) = attempt;
                who.contains(&credential) && covers(pattern, subject)
            });
            if !tried && !kinds.iter().any(|kind| pattern.starts_with(kind)) {
                untried.push(format!("{credential}: {permission:?}"));
            }
        }
    }
    assert!(untried.is_empty(), "{untried:#?}");
}
