//! Who sends the metrics: the resource, whose attributes every series shares.
//!
//! Each attribute comes from the strongest that has it:
//!
//! 1. what was given by name: the service's name, the host's name, the `vm.id`;
//! 2. `OTEL_RESOURCE_ATTRIBUTES`;
//! 3. `agent.labels` of the file;
//! 4. `K8S_*` variables, as a manifest sets them by the downward API;
//! 5. what the host says.
//!
//! An attribute that is given as an empty text is left out, so that a detected one can be kept private.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use uuid::{Uuid, uuid};

use crate::host::Host;
use crate::host::identity::Identity;
use crate::lane::SCHEMA_URL;

/// The name of the service where none is given.
pub const SERVICE_NAME: &str = "hostmeter";

/// The namespace in which the semantic conventions ask for `service.instance.id` to be made.
const INSTANCE_NAMESPACE: Uuid = uuid!("4d63009a-8d0f-11ee-aad7-4c796ed8e320");

/// Variables that a Kubernetes manifest sets from the downward API, and what they tell.
const KUBERNETES: [(&str, &[&str]); 6] = [
    ("k8s.cluster.name", &["K8S_CLUSTER_NAME"]),
    ("k8s.node.name", &["K8S_NODE_NAME"]),
    ("k8s.namespace.name", &["K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "K8S_POD_NAMESPACE"]),
    ("k8s.pod.name", &["K8S_POD_NAME"]),
    ("k8s.pod.uid", &["K8S_POD_UID"]),
    ("k8s.container.name", &["K8S_CONTAINER_NAME"]),
];

/// What the user says of the resource; an absent field leaves it to the weaker sources.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `service.name`.
    pub service_name: Option<String>,
    /// `host.name`.
    pub host_name: Option<String>,
    /// `vm.id`.
    pub vm_id: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub environment: BTreeMap<String, String>,
    /// `agent.labels`.
    pub labels: BTreeMap<String, String>,
}

/// The resource: attributes in the order service, host, virtual machine, system, Kubernetes, container, and
/// then those of the user's own by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource(Vec<(String, String)>);

impl Resource {
    /// The resource of an agent that reads `host`. `variable` is the environment.
    pub fn detect(host: &Host, given: &Given, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut resource = Self::of(&Identity::read(host), variable);
        for (name, value) in given.labels.iter().chain(&given.environment) {
            resource.set(name, value);
        }
        let named =
            [("service.name", &given.service_name), ("host.name", &given.host_name), ("vm.id", &given.vm_id)];
        for (name, value) in named {
            if let Some(value) = value {
                resource.set(name, value);
            }
        }
        resource.0.retain(|(_, value)| !value.is_empty());
        resource
    }

    fn of(identity: &Identity, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable =
            |names: &[&str]| names.iter().find_map(|name| variable(name)).filter(|v| !v.is_empty());
        let Identity { machine_id, dmi_uuid, boot_id, .. } = identity;
        // The node's name comes before the kernel's, which in a container is the container's.
        let host_name = identity
            .name
            .clone()
            .or_else(|| variable(&["K8S_NODE_NAME"]))
            .or_else(|| identity.kernel_name.clone());
        // A pod that sees only itself shares its image's machine id, where there is one, with all its siblings.
        let pod = variable(&["K8S_POD_UID"]).filter(|_| identity.own_root);
        let seed = [&pod, machine_id, dmi_uuid, &host_name, boot_id].into_iter().flatten().next();
        let instance = seed.map(|seed| Uuid::new_v5(&INSTANCE_NAMESPACE, seed.as_bytes()).to_string());
        let vm_id = dmi_uuid.as_ref().or(machine_id.as_ref()).or(boot_id.as_ref());

        let mut resource = Self::default();
        let found = [
            ("service.name", Some(SERVICE_NAME.to_owned())),
            ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
            ("service.instance.id", instance),
            ("host.name", host_name),
            ("host.id", machine_id.clone()),
            ("host.arch", Some(identity.arch.clone())),
            ("vm.id", vm_id.cloned()),
            ("os.type", Some(identity.os_type.to_owned())),
            ("os.name", identity.os_name.clone()),
            ("os.version", identity.os_version.clone()),
            ("os.description", identity.os_description.clone()),
        ];
        let kubernetes = KUBERNETES.iter().map(|(name, names)| (*name, variable(names)));
        let container = [("container.id", identity.container_id.clone())];
        for (name, value) in found.into_iter().chain(kubernetes).chain(container) {
            if let Some(value) = value {
                resource.set(name, &value);
            }
        }
        resource
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None if name.is_empty() => {}
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The attributes in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The resource as the SDK has it.
    pub fn to_sdk(&self) -> opentelemetry_sdk::Resource {
        to_sdk(self.iter())
    }
}

/// Attributes as the SDK's resource, with `telemetry.sdk.*` as its specification asks. The SDK's other
/// detectors are left out: they read the environment, which is the configuration's to read.
pub fn to_sdk<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> opentelemetry_sdk::Resource {
    let attributes = attributes.map(|(name, value)| KeyValue::new(name.to_owned(), value.to_owned()));
    opentelemetry_sdk::Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_schema_url(attributes, SCHEMA_URL)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";

    fn identity() -> Identity {
        Identity {
            name: Some("web-1".to_owned()),
            kernel_name: Some("0f1e2d3c4b5a".to_owned()),
            machine_id: Some(MACHINE.to_owned()),
            boot_id: Some("0b3d6f9e-5d3f-4c5c-9f0e-3a0d9d1c1e55".to_owned()),
            arch: "amd64".to_owned(),
            os_type: "linux",
            ..Identity::default()
        }
    }

    fn host() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in
            [("proc/stat", "btime 1\n"), ("etc/hostname", "web-1\n"), ("etc/machine-id", MACHINE)]
        {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Host::at(dir.path()).unwrap();
        (dir, host)
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_instance_is_the_machine_in_the_namespace_of_the_convention() {
        let resource = Resource::of(&identity(), |_| None);
        // By Python: uuid.uuid5(uuid.UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320"), MACHINE).
        assert_eq!(resource.get("service.instance.id"), Some("a2a593f3-a94f-5309-bf3e-7058411862c9"));
    }

    #[test]
    fn the_instance_is_found_without_a_machine_id_too() {
        let mut identity = Identity { machine_id: None, ..identity() };
        let by_name = Resource::of(&identity, |_| None);
        identity.dmi_uuid = Some("4c4c4544-0043-3010-8052-b4c04f564432".to_owned());
        let by_dmi = Resource::of(&identity, |_| None);
        assert!(by_name.get("service.instance.id").is_some());
        assert_ne!(by_name.get("service.instance.id"), by_dmi.get("service.instance.id"));
        assert_eq!(by_dmi.get("host.id"), None);
        assert_eq!(by_dmi.get("vm.id"), Some("4c4c4544-0043-3010-8052-b4c04f564432"));
        assert_eq!(by_name.get("vm.id"), Some("0b3d6f9e-5d3f-4c5c-9f0e-3a0d9d1c1e55"));
    }

    #[test]
    fn pods_of_one_image_are_told_apart_and_agents_of_a_node_are_not_renamed() {
        let pod = |uid: &'static str| move |name: &str| (name == "K8S_POD_UID").then(|| uid.to_owned());
        let instance = |own_root, uid| {
            let identity = Identity { own_root, ..identity() };
            Resource::of(&identity, pod(uid)).get("service.instance.id").map(str::to_owned)
        };
        assert_ne!(instance(true, "a"), instance(true, "b"));
        assert_eq!(instance(false, "a"), instance(false, "b"));
    }

    #[test]
    fn the_name_of_the_node_comes_before_that_of_the_container() {
        let node = |name: &str| (name == "K8S_NODE_NAME").then(|| "node-7".to_owned());
        let unnamed = Identity { name: None, ..identity() };
        assert_eq!(Resource::of(&unnamed, node).get("host.name"), Some("node-7"));
        assert_eq!(Resource::of(&unnamed, |_| None).get("host.name"), Some("0f1e2d3c4b5a"));
        assert_eq!(Resource::of(&identity(), node).get("host.name"), Some("web-1"));
        assert_eq!(Resource::of(&identity(), node).get("k8s.node.name"), Some("node-7"));
    }

    #[test]
    fn the_environment_is_stronger_than_the_file_and_a_name_stronger_than_both() {
        let (_dir, host) = host();
        let given = Given {
            service_name: Some("edge".to_owned()),
            environment: map(&[("region", "eu"), ("service.name", "lost")]),
            labels: map(&[("region", "us"), ("environment", "production"), ("host.name", "renamed")]),
            ..Given::default()
        };
        let resource = Resource::detect(&host, &given, |_| None);
        let get = |name| resource.get(name).unwrap_or("absent");
        assert_eq!([get("service.name"), get("region"), get("host.name")], ["edge", "eu", "renamed"]);
        let names: Vec<&str> = resource.iter().map(|(name, _)| name).collect();
        assert_eq!(names[..3], ["service.name", "service.version", "service.instance.id"]);
        assert_eq!(names[names.len() - 2..], ["environment", "region"]);
    }

    #[test]
    fn an_empty_text_takes_a_detected_attribute_away() {
        let (_dir, host) = host();
        let given = Given { labels: map(&[("host.id", ""), ("", "nameless")]), ..Given::default() };
        let resource = Resource::detect(&host, &given, |_| None);
        assert_eq!((resource.get("host.id"), resource.get("")), (None, None));
        assert!(resource.get("service.instance.id").is_some());
    }

    #[test]
    fn the_resource_of_the_sdk_has_all_of_them_and_its_own_three() {
        let resource = Resource::of(&identity(), |_| None);
        let sdk = resource.to_sdk();
        for (name, value) in resource.iter() {
            let found = sdk.get(&name.to_owned().into()).map(|v| v.to_string());
            assert_eq!(found.as_deref(), Some(value), "{name}");
        }
        assert_eq!(sdk.len(), resource.iter().count() + 3);
        assert_eq!(sdk.schema_url(), Some(SCHEMA_URL));
    }
}
