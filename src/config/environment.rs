//! The environment: which variables are set, and what they say.
//!
//! Every key has `HOSTMETER_<SECTION>__<KEY>`; the table names the others, the strongest first. An empty
//! variable counts as not set, as the OpenTelemetry specification has it.

use std::collections::BTreeMap;

use super::known::{Known, OLDER, OWN};
use super::leaf::{self, Checked, inside};
use super::problem::{nearest, shown};
use super::setting::Kind;
use super::tables::{LABELS, OTLP_ENABLED, PROMETHEUS_ENABLED};
use super::value::{self, Bare};

/// The variables that name the file, the strongest first.
pub(super) const FILE: [&str; 2] = ["HOSTMETER_CONFIG", "SC_AGENT_CONFIG"];

const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTERS: &str = "OTEL_METRICS_EXPORTER";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The variables of a process.
pub trait Environment {
    /// The value of a variable; none where it is not set.
    fn get(&self, name: &str) -> Option<String>;

    /// The names of all variables.
    fn names(&self) -> Vec<String>;
}

/// The environment that this process was started with.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }
}

/// For tests, which must not depend on the machine's environment.
impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Everything that the environment says.
pub(super) fn checked(known: &[Known], environment: &dyn Environment) -> Checked {
    let mut out = Checked::default();
    lanes(environment, &mut out);
    let mut names = environment.names();
    names.sort();
    let variables = variables(known, &names);
    for (known, variables) in known.iter().zip(&variables) {
        let mut set: Vec<_> =
            variables.iter().filter_map(|name| Some((name, value_of(environment, name)?))).collect();
        match known.setting.kind {
            // An operator's attributes and those that Kubernetes injects add up; the strongest comes last.
            Kind::Labels => set.reverse(),
            _ => set.truncate(1),
        }
        for (name, value) in set {
            let bare = if name.starts_with("OTEL_") { Bare::Millis } else { Bare::Seconds };
            leaf::text(known, &value, bare, &origin(name), &mut out);
        }
    }
    if let Some(name) = value_of(environment, SERVICE_NAME) {
        out.layer.set(&inside(&LABELS, "service.name"), &origin(SERVICE_NAME), name.into());
    }
    unknown(&variables, environment, &names, &mut out);
    out
}

/// The variables of each key that may be among these, the strongest first.
///
/// Nearly always nobody sets one of the hundreds that are made of the keys' names, and then they are not made.
fn variables(known: &[Known], names: &[String]) -> Vec<Vec<String>> {
    // Upper case or lower, for Windows does not tell them apart.
    let begins =
        |name: &str, with: &str| name.get(..with.len()).is_some_and(|name| name.eq_ignore_ascii_case(with));
    let made = names.iter().any(|name| begins(name, OWN) || begins(name, OLDER));
    let others = |known: &Known| known.setting.env.iter().map(|name| String::from(*name)).collect();
    known.iter().map(|known| if made { known.variables() } else { others(known) }).collect()
}

/// The value of a variable that is set and meant for us.
pub(super) fn value_of(environment: &dyn Environment, name: &str) -> Option<String> {
    environment.get(name).filter(|value| !value.trim().is_empty() && !is_service_link(name, value))
}

/// The place of a variable.
pub(super) fn origin(name: &str) -> String {
    format!("environment variable {name}")
}

/// Kubernetes tells every container of each service of its namespace. One that is called `hostmeter` or
/// `prometheus` makes variables that look like ours: `PROMETHEUS_PORT=tcp://10.0.0.1:9090`.
fn is_service_link(name: &str, value: &str) -> bool {
    let address = name.ends_with("_PORT") && value.contains("://");
    let detail = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part));
    !name.contains("__") && (address || (detail && name.starts_with(OWN)))
}

/// Which ways out run, where the variables of the specification say so.
fn lanes(environment: &dyn Environment, out: &mut Checked) {
    let set = |out: &mut Checked, name: &str, prometheus: bool, otlp: bool| {
        out.layer.set(&PROMETHEUS_ENABLED, &origin(name), prometheus.into());
        out.layer.set(&OTLP_ENABLED, &origin(name), otlp.into());
    };
    if let Some(said) = value_of(environment, EXPORTERS) {
        let exporters: Vec<String> = value::list(&said).map(str::to_lowercase).collect();
        let exports = |name: &str| exporters.iter().any(|exporter| exporter == name);
        set(out, EXPORTERS, exports("prometheus"), exports("otlp"));
        let known = |exporter: &&String| matches!(exporter.as_str(), "otlp" | "prometheus" | "none");
        if let Some(other) = exporters.iter().find(|exporter| !known(exporter)) {
            let message =
                format!("expected otlp, prometheus or none, separated by commas, found {}", shown(other));
            out.problem(&origin(EXPORTERS), &[], message);
        }
    }
    if let Some(said) = value_of(environment, DISABLED) {
        match value::scalar(Kind::Bool, &said, Bare::Seconds) {
            Ok(disabled) if disabled == true.into() => set(out, DISABLED, false, false),
            Ok(_) => {}
            Err(message) => out.problem(&origin(DISABLED), &[], message),
        }
    }
}

/// A misspelt variable of ours would otherwise be silently without effect.
fn unknown(variables: &[Vec<String>], environment: &dyn Environment, names: &[String], out: &mut Checked) {
    let own = || variables.iter().flatten().map(String::as_str).chain(FILE);
    for name in names {
        let Some(rest) = name.strip_prefix(OWN) else { continue };
        if value_of(environment, name).is_none() || own().any(|known| known == name) {
            continue;
        }
        let meant = nearest(rest, own().filter_map(|known| known.strip_prefix(OWN)));
        let hint = meant.map_or_else(
            || format!("ours are called {OWN}<SECTION>__<KEY>"),
            |meant| format!("did you mean {OWN}{meant}?"),
        );
        out.problem(&origin(name), &[], format!("unknown variable; {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{known, layer};
    use super::*;

    #[test]
    fn every_variable_of_the_tables_sets_its_key() {
        for known in known::all(&[]).iter().filter(|known| !known.setting.default.is_empty()) {
            let default = match known.setting.kind {
                Kind::Labels | Kind::Headers => "a=b",
                Kind::Duration(..) => "1m",
                _ => known.setting.default,
            };
            for name in known.variables() {
                let environment = BTreeMap::from([(name.clone(), default.to_owned())]);
                let Checked { layer, problems } = checked(std::slice::from_ref(known), &environment);
                assert_eq!(problems, [], "{name}");
                let tree = layer::Layer::merge(vec![layer]).unwrap();
                let said = layer::get(&tree, &known.path).map(layer::origin);
                assert_eq!(said, Some(format!("environment variable {name}").as_str()), "{name}");
            }
        }
    }

    #[test]
    fn no_variable_is_missed_beside_those_of_the_tables() {
        let known = known::all(&crate::collectors::schemas());
        for name in known.iter().flat_map(Known::variables) {
            let among = variables(&known, &[String::from("PATH"), name.clone()]);
            assert!(among.iter().flatten().any(|variable| *variable == name), "{name}");
        }
        assert!(
            variables(&known, &[String::from("PATH")]).iter().flatten().all(|name| !name.starts_with(OWN))
        );
    }

    #[test]
    fn the_environment_of_this_process_is_read() {
        let names = ProcessEnvironment.names();
        assert!(names.iter().any(|name| ProcessEnvironment.get(name).is_some()));
        assert_eq!(ProcessEnvironment.get("HOSTMETER_IS_NEVER_SET"), None);
    }
}
