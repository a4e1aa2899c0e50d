//! docker-compose.yml: is it well-formed, complete, and as closed as it says?

use std::{cell::RefCell, collections::BTreeSet};

use crate::{
    compose_file::ComposeFile,
    tools::{MadeSecrets, keys, known_variables, root, strings, text},
};

const DOMAINS: [&str; 4] = ["users", "cycles", "analytics", "notifications"];

fn file() -> ComposeFile {
    ComposeFile::load(|name| if name.ends_with("ID") { "1000" } else { "secret" }.to_owned())
}

#[test]
fn it_is_as_the_specification_says() {
    let yaml = serde_yaml_ng::to_string(&file().root).unwrap();
    let typed = compose_spec::Compose::options().from_yaml_str(&yaml).unwrap();
    typed.validate_all().unwrap();
    assert_eq!(typed.services.len(), file().services().count());
}

#[test]
fn what_the_specification_does_not_know_is_noticed() {
    for (pointer, value) in [
        ("/services/users", "surprise"),
        ("/services/users/healthcheck", "surprise"),
        ("/services/users/deploy/resources/limits", "surprise"),
        ("/networks/bus", "surprise"),
        ("", "surprise"),
    ] {
        let mut broken = file().root;
        broken.pointer_mut(pointer).unwrap()[value] = "x".into();
        let yaml = serde_yaml_ng::to_string(&broken).unwrap();
        let read = compose_spec::Compose::options().from_yaml_str(&yaml);
        assert!(read.is_err(), "{pointer}/{value} went unnoticed");
    }
}

#[test]
fn make_env_makes_every_variable_and_no_other() {
    let asked = RefCell::new(BTreeSet::new());
    ComposeFile::load(|name| {
        asked.borrow_mut().insert(name.to_owned());
        "1".to_owned()
    });
    let made: BTreeSet<String> = MadeSecrets::new(&[]).environment().into_keys().collect();
    assert_eq!(asked.into_inner(), made);
}

#[test]
fn every_variable_means_something_to_its_image() {
    let known = known_variables();
    let role = text("deploy/postgres/role.sh");
    let file = file();
    for name in file.services() {
        for variable in keys(&file.service(name)["environment"]) {
            let means_something = if file.is_ours(name) {
                known.contains(variable)
            } else if name == "nats" {
                nats_variables().contains(variable)
            } else {
                variable.starts_with("POSTGRES_") || role.contains(&format!("${variable}"))
            };
            assert!(means_something, "{name}: {variable}");
        }
    }
    let given: BTreeSet<String> =
        keys(&file.service("nats")["environment"]).map(str::to_owned).collect();
    assert_eq!(given, nats_variables(), "an unset variable would be taken for its own name");
}

/// The variables of `nats/server.conf`; a `$` within quotes belongs to a subject.
fn nats_variables() -> BTreeSet<String> {
    let configuration = text("nats/server.conf");
    let lines = configuration.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_once(": $")).map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn the_ports_are_those_of_the_earlier_system() {
    let file = file();
    let ports = |name: &str| strings(&file.service(name)["ports"]).join(" ");
    for gateway in ["gateway", "lunation"] {
        assert_eq!(ports(gateway), "80:8080 8080:8080");
    }
    for (port, domain) in (5001..).zip(DOMAINS) {
        assert_eq!(ports(domain), format!("{port}:{port}"));
        let listen = &file.service(domain)["environment"]["LUNATION_LISTEN"];
        assert_eq!(*listen, format!("0.0.0.0:{port}"));
    }
    // Without TLS, and for people at this machine only.
    assert_eq!(ports("nats"), "127.0.0.1:4222:4222 127.0.0.1:8222:8222");
}

#[test]
fn whoever_starts_waits_until_what_it_needs_is_well() {
    let file = file();
    for profile in ["single", "split"] {
        let order = file.start_order(profile);
        assert!(order.iter().any(|name| file.is_ours(name)), "{profile}: {order:?}");
    }
    for name in file.services() {
        for (other, how) in file.service(name)["depends_on"].as_object().into_iter().flatten() {
            let runs_on = file.service(other)["healthcheck"]["disable"] != true;
            let expected =
                if runs_on { "service_healthy" } else { "service_completed_successfully" };
            assert_eq!(how["condition"], expected, "{name} waits for {other}");
            if runs_on {
                assert!(file.service(other)["healthcheck"]["test"].is_array(), "{other}");
            }
        }
    }
}

#[test]
fn every_container_is_closed_and_bounded() {
    let file = file();
    for name in file.services() {
        let service = file.service(name);
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(service["cap_add"].is_null() && service["privileged"].is_null(), "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        for limit in ["cpus", "memory", "pids"] {
            assert!(!limits[limit].is_null(), "{name} has no limit of {limit}");
        }
        let by_number = service["user"].as_str().is_some_and(|user| user.contains(':'));
        assert!(by_number, "{name} runs as whoever its image says");
        assert!(is_pinned(service["image"].as_str().unwrap()), "{name}: {}", service["image"]);
    }
}

/// Whether an image is named with a version of at least two numbers, as 18.6-bookworm is.
fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

#[test]
fn each_process_has_its_own_secrets_and_no_other() {
    let secret_of = |name: &str| format!("<{name}>");
    let file = ComposeFile::load(secret_of);
    for name in file.start_order("split").into_iter().filter(|name| file.is_ours(name)) {
        let upper = match name {
            "provision" | "provisioner" => "PROVISIONER".to_owned(),
            other => other.to_uppercase(),
        };
        let environment = file.service(name)["environment"].to_string();
        let mut expected = vec![format!("<LUNATION_NATS_{upper}_PASSWORD>")];
        if DOMAINS.contains(&name) {
            expected.push(format!("<{upper}_DATABASE_PASSWORD>"));
        }
        let mut found: Vec<&str> = environment
            .split_inclusive('>')
            .filter(|part| part.ends_with('>'))
            .map(|part| &part[part.rfind('<').unwrap()..])
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn keys_are_mounted_as_directories_where_they_belong_and_read_only() {
    let file = file();
    let places = [
        ("signing", "signing-key.pem", "LUNATION_AUTH_SIGNING_KEY_FILE", "users"),
        ("users-sealing", "keys", "LUNATION_USERS_SEALING_KEY_FILE", "users"),
        ("cycles-sealing", "keys", "LUNATION_CYCLES_SEALING_KEY_FILE", "cycles"),
    ];
    for name in file.services() {
        let service = file.service(name);
        assert!(service["secrets"].is_null(), "{name}: a file that is mounted is never another");
        let mounts = strings(&service["volumes"]);
        let of_keys = mounts.iter().filter(|mount| mount.starts_with("./.secrets")).count();
        let mut expected = 0;
        for (directory, key, variable, domain) in places {
            let mount = format!("./.secrets/{directory}:/run/secrets/{directory}");
            let reads = mounts.contains(&&*format!("{mount}:ro"));
            assert_eq!(reads, ["lunation", domain].contains(&name), "{directory} of {name}");
            // The one that exchanges them, which nobody can reach.
            let writes = mounts.contains(&&*mount);
            assert_eq!(writes, name == "keys" && directory == "signing", "{directory} of {name}");
            let told = &service["environment"][variable];
            assert_eq!(reads, *told == format!("/run/secrets/{directory}/{key}"), "{name}");
            expected += usize::from(reads || writes);
        }
        assert_eq!(of_keys, expected, "{name}: {mounts:?}");
        let keeps = mounts.contains(&"./.erasures:/var/erasures");
        assert_eq!(keeps, ["lunation", "users"].contains(&name), "{name}");
        let told = &service["environment"]["LUNATION_USERS_ERASURE_LEDGER_FILE"];
        assert_eq!(keeps, *told == "/var/erasures/erasures.jsonl", "{name}");
    }
    assert_eq!(file.service("keys")["network_mode"], "none");
}

#[test]
fn a_database_is_reached_by_its_domain_alone() {
    let file = file();
    for domain in DOMAINS {
        let database = format!("{domain}-db");
        assert_eq!(strings(&file.service(&database)["networks"]), [domain]);
        assert_eq!(file.root["networks"][domain]["internal"], true);
        let on_it: Vec<&str> = file
            .services()
            .filter(|name| strings(&file.service(name)["networks"]).contains(&domain))
            .collect();
        assert_eq!(on_it.len(), 3, "{on_it:?}");
        for name in on_it {
            assert!([domain, database.as_str(), "lunation"].contains(&name), "{name} on {domain}");
        }
        assert!(file.service(&database)["ports"].is_null(), "{database} is open to the host");
    }
}

#[test]
fn what_is_mounted_is_there() {
    let file = file();
    let mounts = file.services().flat_map(|name| strings(&file.service(name)["volumes"]));
    let made = MadeSecrets::new(&[]);
    for mount in mounts.filter(|mount| mount.starts_with('.')) {
        let (source, rest) = mount.split_once(':').unwrap();
        if source.starts_with("./.") {
            assert!(made.path(source).is_dir(), "{source} is made by nobody");
        } else {
            assert!(root().join(source).is_file(), "{source}");
            assert!(rest.ends_with(":ro"), "{mount}");
        }
    }
}

#[test]
fn the_image_is_built_from_the_dockerfile_and_asked_as_it_says() {
    let file = file();
    let version = env!("CARGO_PKG_VERSION");
    for name in file.services().filter(|name| file.is_ours(name)) {
        let service = file.service(name);
        assert_eq!(service["image"], format!("lunation:{version}"), "{name}");
        assert_eq!(service["build"], ".", "{name}");
        let health = &service["healthcheck"];
        let asked = strings(&health["test"]) == ["CMD", "/usr/local/bin/lunation", "health"];
        assert!(asked || health["disable"] == true, "{name}: {health}");
        assert!(service["command"].is_array(), "{name}");
    }
}
