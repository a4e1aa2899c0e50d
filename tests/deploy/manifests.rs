//! The files of deploy/kubernetes, read as the types of their APIs.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Namespace, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::tools::{strings, text};

/// Where everything is.
pub(crate) const BASE: &str = "deploy/kubernetes/base";

/// Every document of every resource of the base.
pub(crate) fn resources() -> Vec<Value> {
    let kustomization = kustomization();
    let files = strings(&kustomization["resources"]);
    files.iter().flat_map(|file| documents(&format!("{BASE}/{file}"))).collect()
}

/// The base's kustomization.
pub(crate) fn kustomization() -> Value {
    documents(&format!("{BASE}/kustomization.yaml")).remove(0)
}

/// The documents of a file.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    let text = text(path);
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"))
        })
        .collect()
}

/// What is wrong with a document, if it is not as its API says.
pub(crate) fn problem(document: &Value) -> Option<String> {
    let kind = format!("{} {}", document["apiVersion"].as_str()?, document["kind"].as_str()?);
    let result = match kind.as_str() {
        "apps/v1 Deployment" => as_typed::<Deployment>(document),
        "autoscaling/v2 HorizontalPodAutoscaler" => as_typed::<HorizontalPodAutoscaler>(document),
        "batch/v1 CronJob" => as_typed::<CronJob>(document),
        "batch/v1 Job" => as_typed::<Job>(document),
        "networking.k8s.io/v1 NetworkPolicy" => as_typed::<NetworkPolicy>(document),
        "policy/v1 PodDisruptionBudget" => as_typed::<PodDisruptionBudget>(document),
        "postgresql.cnpg.io/v1 Cluster" => as_typed::<Cluster>(document),
        "v1 ConfigMap" => as_typed::<ConfigMap>(document),
        "v1 Namespace" => as_typed::<Namespace>(document),
        "v1 Service" => as_typed::<Service>(document),
        other => Err(format!("{other} is no kind that this test knows")),
    };
    result.err().map(|problem| format!("{kind} {}: {problem}", document["metadata"]["name"]))
}

/// The types are generated from the API's own description. They leave out what they do not know, so
/// whatever does not come back is none of the API's.
fn as_typed<T: DeserializeOwned + Serialize>(document: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
    let back = serde_json::to_value(&typed).map_err(|error| error.to_string())?;
    match lost(document, &back) {
        Some(pointer) => Err(format!("{pointer} is unknown")),
        None => Ok(()),
    }
}

/// The first place that is in one value and not, or otherwise, in another.
fn lost(given: &Value, back: &Value) -> Option<String> {
    match (given, back) {
        (Value::Object(given), Value::Object(back)) => given.iter().find_map(|(name, member)| {
            let rest = match back.get(name) {
                Some(back) => lost(member, back)?,
                None => String::new(),
            };
            Some(format!("/{name}{rest}"))
        }),
        (Value::Array(given), Value::Array(back)) if given.len() == back.len() => {
            let mut items = given.iter().zip(back).enumerate();
            items.find_map(|(at, (given, back))| Some(format!("/{at}{}", lost(given, back)?)))
        }
        (given, back) => (given != back).then(String::new),
    }
}

/// As much of a `CloudNativePG` cluster as the manifests use (its API, 1.30); more is refused.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cluster {
    api_version: String,
    kind: String,
    metadata: Named,
    spec: ClusterSpec,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterSpec {
    image_name: String,
    instances: u32,
    enable_superuser_access: bool,
    bootstrap: Bootstrap,
    postgresql: PostgresConfiguration,
    storage: StorageConfiguration,
    resources: k8s_openapi::api::core::v1::ResourceRequirements,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Bootstrap {
    initdb: InitDb,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InitDb {
    database: String,
    owner: String,
    data_checksums: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PostgresConfiguration {
    parameters: BTreeMap<String, String>,
    synchronous: Synchronous,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Synchronous {
    method: Method,
    number: u32,
    data_durability: DataDurability,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Any,
    First,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum DataDurability {
    Required,
    Preferred,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StorageConfiguration {
    size: String,
}

#[test]
fn every_manifest_is_as_its_api_says() {
    let problems: Vec<String> = resources().iter().filter_map(problem).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_an_api_does_not_know_is_noticed() {
    let resources = resources();
    let find = |kind: &str| resources.iter().find(|it| it["kind"] == kind).unwrap().clone();
    for (kind, pointer, name) in [
        ("Deployment", "/spec/template/spec/containers/0", "livelinessProbe"),
        ("Deployment", "/spec/template/spec/containers/0/readinessProbe/httpGet", "url"),
        ("HorizontalPodAutoscaler", "/spec", "replicas"),
        ("NetworkPolicy", "/spec", "policy"),
        ("Cluster", "/spec", "replicas"),
    ] {
        let mut broken = find(kind);
        broken.pointer_mut(pointer).unwrap()[name] = "x".into();
        assert!(problem(&broken).is_some(), "{kind}{pointer}/{name} went unnoticed");
    }
    let mut number = find("Deployment");
    number["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "soon".into();
    assert!(problem(&number).is_some(), "a word where a number belongs went unnoticed");
    let mut kind = find("Service");
    kind["apiVersion"] = "v2".into();
    assert!(problem(&kind).is_some(), "an unknown version went unnoticed");
}
