//! deploy/kubernetes: do the manifests belong together, and with the program?

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    manifests::{BASE, documents, kustomization, resources},
    tools::{MadeSecrets, keys, known_variables, root, strings, text},
};

const GROUPS: [&str; 5] = ["gateway", "users", "cycles", "analytics", "notifications"];
const NAME: &str = "app.kubernetes.io/name";

fn named(kind: &str, name: &str) -> Value {
    let found =
        resources().into_iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

fn names(kind: &str) -> BTreeSet<String> {
    let of_kind = resources().into_iter().filter(|it| it["kind"] == kind);
    of_kind.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The pod templates of everything that runs our program, by name.
fn pods() -> Vec<(String, Value)> {
    let runs = resources().into_iter().filter_map(|it| {
        let template = match it["kind"].as_str()? {
            "Deployment" | "Job" => it["spec"]["template"].clone(),
            "CronJob" => it["spec"]["jobTemplate"]["spec"]["template"].clone(),
            _ => return None,
        };
        Some((it["metadata"]["name"].as_str()?.to_owned(), template))
    });
    runs.collect()
}

#[test]
fn every_file_is_listed() {
    let kustomization = kustomization();
    let listed: BTreeSet<&str> = strings(&kustomization["resources"]).into_iter().collect();
    for entry in fs::read_dir(root().join(BASE)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = ["kustomization.yaml", "secrets"].contains(&name.as_str());
        assert!(known || listed.contains(name.as_str()), "{name} is applied by nobody");
    }
}

#[test]
fn each_group_is_deployed_scaled_kept_and_reached() {
    let expected: BTreeSet<String> = GROUPS.iter().map(|it| (*it).to_owned()).collect();
    for kind in ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"] {
        assert_eq!(names(kind), expected, "{kind}");
    }
    for group in GROUPS {
        let deployment = named("Deployment", group);
        let label = serde_json::json!({ NAME: group });
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], label);
        assert_eq!(deployment["spec"]["template"]["metadata"]["labels"][NAME], group);
        assert!(
            deployment["spec"]["replicas"].is_null(),
            "{group}: the autoscaler would be undone"
        );
        assert_eq!(named("Service", group)["spec"]["selector"], label);
        assert_eq!(named("PodDisruptionBudget", group)["spec"]["selector"]["matchLabels"], label);
        let target = &named("HorizontalPodAutoscaler", group)["spec"]["scaleTargetRef"];
        assert_eq!(target["name"], group);
        assert_eq!(target["kind"], "Deployment");
    }
}

/// Those with queues are scaled by them: by the durables of their group, as the exporter names them.
#[test]
fn consumers_are_scaled_by_what_they_have_not_heard() {
    let adapter = text("deploy/kubernetes/prometheus-adapter-values.yaml");
    for durable in nats::Durable::ALL {
        let scaler = named("HorizontalPodAutoscaler", durable.group());
        let metrics = scaler["spec"]["metrics"].as_array().unwrap().iter();
        let mut metrics = metrics.map(|metric| &metric["external"]["metric"]);
        let name = durable.name();
        let metric =
            metrics.find(|metric| metric["selector"]["matchLabels"]["consumer_name"] == name);
        let metric = metric.unwrap_or_else(|| panic!("nothing is scaled by {name}"));
        let metric = metric["name"].as_str().unwrap();
        assert!(adapter.contains(&format!("name: {{ as: {metric} }}")), "{metric}");
    }
}

#[test]
fn every_variable_means_something() {
    let known = known_variables();
    let config = named("ConfigMap", "lunation");
    let mut given: Vec<String> = keys(&config["data"]).map(str::to_owned).collect();
    for (_, pod) in pods() {
        for variable in pod["spec"]["containers"][0]["env"].as_array().unwrap() {
            given.push(variable["name"].as_str().unwrap().to_owned());
        }
    }
    for variable in given {
        // Not ours: it is put into the URL below it.
        assert!(known.contains(&variable) || variable == "NATS_PASSWORD", "{variable}");
    }
}

#[test]
fn each_process_has_its_own_secrets_and_no_other() {
    let kustomization = kustomization();
    let generated: BTreeSet<&str> = kustomization["secretGenerator"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["name"].as_str().unwrap())
        .collect();
    let clusters = names("Cluster");
    for (name, pod) in pods() {
        let container = &pod["spec"]["containers"][0];
        let credential = if name.starts_with("provision") { "provisioner" } else { name.as_str() };
        let mut allowed = vec![format!("nats-{credential}")];
        let database = format!("{name}-db");
        if clusters.contains(&database) {
            // Made by the operator.
            allowed.push(format!("{database}-app"));
        }
        assert!(generated.contains(allowed[0].as_str()), "{}", allowed[0]);
        let mut used: Vec<&str> = Vec::new();
        for variable in container["env"].as_array().unwrap() {
            used.extend(variable["valueFrom"]["secretKeyRef"]["name"].as_str());
            if variable["name"] == "LUNATION_NATS_URL" {
                let url = format!("nats://{credential}:$(NATS_PASSWORD)@nats:4222");
                assert_eq!(variable["value"], url);
            }
        }
        assert_eq!(used, allowed, "{name}");
        let volumes = pod["spec"]["volumes"].as_array();
        let mounted: Vec<&str> = volumes
            .into_iter()
            .flatten()
            .map(|volume| volume["secret"]["secretName"].as_str().unwrap())
            .collect();
        let expected: &[&str] = match name.as_str() {
            "users" => &["signing-key", "users-sealing-keys"],
            "cycles" => &["cycles-sealing-keys"],
            _ => &[],
        };
        assert_eq!(mounted, expected, "{name}");
    }
}

#[test]
fn nothing_starts_before_somebody_has_made_the_secrets() {
    let made = MadeSecrets::new(&["--kubernetes"]);
    let kustomization = kustomization();
    for secret in kustomization["secretGenerator"].as_array().unwrap() {
        assert!(secret["literals"].is_null(), "{secret} is no secret");
        for source in strings(&secret["files"]).into_iter().chain(strings(&secret["envs"])) {
            let file = source.split_once('=').map_or(source, |(_, file)| file);
            assert!(file.starts_with("secrets/"), "{file} would be committed");
            assert!(made.path(&format!("{BASE}/{file}")).is_file(), "{file} is made by nobody");
        }
    }
    let environment = made.environment();
    let users = fs::read_to_string(made.path(&format!("{BASE}/secrets/nats-users"))).unwrap();
    assert_eq!(users, environment["LUNATION_NATS_USERS_PASSWORD"]);
}

#[test]
fn every_pod_is_probed_closed_and_bounded() {
    let config = named("ConfigMap", "lunation");
    for (name, pod) in pods() {
        let spec = &pod["spec"];
        let container = &spec["containers"][0];
        assert_eq!(container["image"], kustomization()["images"][0]["name"], "{name}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(strings(&security["capabilities"]["drop"]), ["ALL"], "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        if !GROUPS.contains(&name.as_str()) {
            continue;
        }
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let asked = &container[probe]["httpGet"];
            assert_eq!((&asked["path"], &asked["port"]), (&path.into(), &"admin".into()), "{name}");
        }
        let ports = container["ports"].as_array().unwrap();
        for (port, variable) in [("http", "LUNATION_LISTEN"), ("admin", "LUNATION_ADMIN_LISTEN")] {
            let declared = ports.iter().find(|it| it["name"] == port).unwrap();
            let expected = format!("0.0.0.0:{}", declared["containerPort"]);
            assert_eq!(config["data"][variable], expected, "{name}");
        }
    }
}

#[test]
fn a_network_policy_selects_somebody() {
    let mut labels: BTreeSet<String> =
        pods().into_iter().map(|(_, pod)| pod["metadata"]["labels"][NAME].to_string()).collect();
    labels.extend(names("Cluster").iter().map(|name| format!("\"{name}\"")));
    // By the chart of NATS.
    labels.insert("\"nats\"".to_owned());
    labels.insert("\"true\"".to_owned());
    let policies = documents(&format!("{BASE}/network-policies.yaml"));
    assert!(
        policies[0]["spec"]["podSelector"] == serde_json::json!({}),
        "everything is closed first"
    );
    for policy in policies {
        for value in policy["spec"]["podSelector"]["matchLabels"].as_object().into_iter().flatten()
        {
            assert!(labels.contains(&value.1.to_string()), "{policy}");
        }
    }
}

#[test]
fn the_broker_takes_the_rules_and_passwords_of_the_repository() {
    let values = documents("deploy/kubernetes/nats/values.yaml").remove(0);
    let included = values["config"]["merge"]["00$include"].as_str().unwrap();
    let escaped = included.replace('.', "\\.");
    let handed_over = format!("configMap.merge.data.{escaped}=nats/server.conf");
    assert!(text("deploy/kubernetes/README.md").contains(&handed_over), "{handed_over}");
    assert_eq!(values["container"]["merge"]["envFrom"][0]["secretRef"]["name"], "nats-server");
}
