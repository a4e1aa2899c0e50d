use std::{fs, net::SocketAddr, path::Path};

use contracts::{
    analytics::AnalyticsMailbox,
    cycles::CyclesMailbox,
    notifications::NotificationsMailbox,
    users::UsersMailbox,
    wire::{Audience, WireMailbox},
};

use super::*;

fn subjects(credential: Credential, wanted: impl Fn(Verb) -> bool) -> Vec<String> {
    permissions(credential)
        .into_iter()
        .filter(|permission| wanted(permission.verb))
        .map(|permission| permission.subject)
        .collect()
}

fn may_publish(credential: Credential, subject: &str) -> bool {
    subjects(credential, |verb| verb != Verb::Subscribe).iter().any(|it| it == subject)
}

#[test]
fn names_are_unique_and_known() {
    for credential in Credential::EVERY {
        assert_eq!(Credential::parse(credential.name()), Some(credential));
    }
    assert_eq!(Credential::parse("root"), None);
    assert_eq!(Credential::Cycles.password_variable(), "LUNATION_NATS_CYCLES_PASSWORD");
    assert_eq!(Credential::Cycles.inbox_prefix(), "_INBOX_cycles");
}

#[test]
fn the_committed_configuration_is_what_the_table_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        ("server.conf", committed_configuration()),
        ("server-synced.conf", committed_synced_configuration()),
    ];
    for (name, expected) in files {
        let path = folder.join(name);
        let found = fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            let rendered = std::env::temp_dir().join(name);
            fs::write(&rendered, &expected).unwrap();
            panic!("nats/{name} is not what the table says; copy {} there", rendered.display());
        }
    }
}

#[test]
fn a_configuration_has_its_own_addresses_and_passwords() {
    let passwords = Passwords::new(|credential| format!("pass\"{credential}\\"));
    assert_eq!(passwords.of(Credential::All), "pass\"all\\");
    let mut settings = ServerSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 4333)),
        monitoring: None,
        store_dir: "/some/where".into(),
        passwords: &passwords,
        sync_always: false,
    };
    let text = server_configuration(&settings);
    assert!(text.contains("listen: \"127.0.0.1:4333\""), "{text}");
    assert!(text.contains("store_dir: \"/some/where\""), "{text}");
    assert!(text.contains(r#"password: "pass\"cycles\\""#), "{text}");
    assert!(!text.contains("http") && !text.contains("sync_interval"), "{text}");
    settings.monitoring = Some(SocketAddr::from(([127, 0, 0, 1], 8333)));
    settings.sync_always = true;
    let text = server_configuration(&settings);
    assert!(text.contains("http: \"127.0.0.1:8333\""), "{text}");
    assert!(text.contains("sync_interval: always"), "{text}");
}

#[test]
fn only_servers_from_2_10_on_know_sync_interval() {
    for known in ["nats-server: v2.10.0\n", "nats-server: v2.15.0", "2.10.22", "v3.0.0-beta.1"] {
        assert!(server_knows_sync_interval(known), "{known}");
    }
    for unknown in ["nats-server: v2.9.10\n", "nats-server: v2.9.25", "", "nonsense", "v1.20.1"] {
        assert!(!server_knows_sync_interval(unknown), "{unknown}");
    }
}

/// What the table says by hand about requests is what the contracts say.
#[test]
fn the_table_knows_the_requests_of_the_contracts() {
    fn check<M: WireMailbox>(credential: Credential) {
        assert_eq!(credential.name(), M::GROUP);
        let has = |audience| M::OPS.iter().any(|op| op.audience == audience);
        let answers = subjects(credential, |verb| verb == Verb::Subscribe);
        let subject = |kind: &str| format!("{kind}.{}.v1.*", M::GROUP);
        assert_eq!(answers.contains(&subject("svc")), has(Audience::Services), "{credential}");
        assert!(answers.contains(&subject("rpc")), "{credential}");
        assert!(may_publish(Credential::Gateway, &subject("rpc")), "{credential}");
        assert!(!may_publish(Credential::Gateway, &subject("svc")), "{credential}");
    }
    check::<UsersMailbox>(Credential::Users);
    check::<CyclesMailbox>(Credential::Cycles);
    check::<AnalyticsMailbox>(Credential::Analytics);
    check::<NotificationsMailbox>(Credential::Notifications);
    assert!(UsersMailbox::OPS.iter().any(|op| op.name == "get_signing_keys"));
}

#[test]
fn whoever_may_be_asked_may_answer_and_nobody_else() {
    use Credential::{
        All, Analytics, Cycles, Gateway, Notifications, Operator, Provisioner, Users,
    };
    let answers = |group: Credential| -> Vec<Credential> {
        Credential::EVERY
            .into_iter()
            .filter(|asker| may_publish(group, &format!("{}.>", asker.inbox_prefix())))
            .collect()
    };
    assert_eq!(answers(Users), [Gateway, Cycles, Analytics, Notifications, Operator, All]);
    assert_eq!(answers(Cycles), [Gateway, Analytics, Operator, All]);
    assert_eq!(answers(Analytics), [Gateway, Notifications, Operator, All]);
    assert_eq!(answers(Notifications), [Gateway, Operator, All]);
    for credential in [Gateway, Provisioner, Operator] {
        assert_eq!(answers(credential), [], "{credential}");
    }
}

#[test]
fn nobody_may_delete_or_purge_a_stream_and_only_two_may_make_one() {
    for credential in Credential::EVERY {
        let administers = matches!(credential, Credential::Provisioner | Credential::All);
        for subject in subjects(credential, |verb| verb != Verb::Subscribe) {
            let dangerous = subject.contains("PURGE")
                || subject.contains("STREAM.DELETE")
                || subject.contains("CONSUMER.DELETE")
                || subject.starts_with('>')
                || subject.starts_with('*')
                || subject == "$JS.>"
                || subject == "$JS.API.>";
            assert!(!dangerous, "{credential} may publish to {subject}");
            let makes = subject.contains(".CREATE.") || subject.contains(".UPDATE.");
            assert!(!makes || administers, "{credential} may publish to {subject}");
        }
    }
}

/// What people wrote travels in requests, answers and inboxes: their owners alone may listen.
#[test]
fn nobody_listens_to_the_requests_and_inboxes_of_others() {
    for credential in Credential::EVERY.into_iter().filter(|it| *it != Credential::All) {
        for permission in permissions(credential) {
            if permission.verb != Verb::Subscribe {
                continue;
            }
            let subject = permission.subject.as_str();
            assert!(!subject.starts_with(['*', '>']), "{credential}: {subject}");
            if subject.starts_with("_INBOX") {
                assert_eq!(subject, format!("{}.>", credential.inbox_prefix()));
            }
            if subject.starts_with("rpc.") || subject.starts_with("svc.") {
                assert_eq!(subject.split('.').nth(1), Some(credential.name()));
                assert_eq!(permission.queue, Some(credential.name()), "in its queue group alone");
            }
        }
    }
}
