//! What a running agent needs, and that it keeps no more.

use std::path::{Path, PathBuf};

use crate::config::{Config, Prometheus, Web, read_web};
use crate::confine::{self, Files, Privileges};
use crate::host::{self, Host};

/// Where the C library, the resolver and the certificates of every distribution lie.
const OF_THE_SYSTEM: [&str; 9] =
    ["/etc", "/proc", "/sys", "/usr", "/lib", "/lib64", "/run", "/var/lib/sss", "/var/lib/ca-certificates"];

/// Where every process may write.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/urandom"];

/// Where OpenSSL's users say that the certificates are.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Gives away the privileges that this configuration does not need, before any other thread begins. Returns how many
/// capabilities are left; none where it is switched off, or the system takes nothing.
pub(super) fn drop_privileges(config: &Config) -> Option<u32> {
    let privileges = Privileges {
        low_port: config.prometheus.enabled
            && ports(&config.prometheus).any(|port| (1..1024).contains(&port)),
        foreign_directory: config.queue.directory.as_deref().is_some_and(is_foreign),
    };
    config.agent.sandbox.then(|| confine::drop_privileges(privileges)).flatten()
}

/// Gives away all files but those that a configuration needs, for this thread and those that it starts. Returns
/// how far that went; none where it is switched off, or the system takes nothing.
pub(super) fn confine(config: &Config, files: &Files) -> Option<&'static str> {
    config.agent.sandbox.then(|| confine::confine(files)).flatten()
}

/// The files that another configuration needs and that were given away.
pub(super) fn beyond<'a>(kept: &Files, needed: &'a Files) -> Vec<&'a Path> {
    let without = |kept: &[PathBuf], path: &Path| !kept.iter().any(|kept| path.starts_with(kept));
    let read = needed.read.iter().filter(|path| without(&kept.read, path) && without(&kept.write, path));
    let write = needed.write.iter().filter(|path| without(&kept.write, path));
    read.chain(write).map(PathBuf::as_path).filter(|path| path.exists()).collect()
}

/// The files that a configuration needs.
pub(super) fn files(
    config: &Config,
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Files {
    let root = config.agent.root.clone().unwrap_or_else(Host::find_root);
    let (otlp, tls) = (&config.otlp, &config.otlp.tls);
    let named = [
        file,
        tls.ca_file.as_deref(),
        tls.cert_file.as_deref(),
        tls.key_file.as_deref(),
        otlp.bearer_token_file.as_deref(),
        otlp.headers_file.as_deref(),
    ];
    let web = config.prometheus.web_config_file.as_deref();
    // One that is not good is told where the endpoint is built, and then nothing runs.
    let of_web = web.and_then(|file| read_web(file).ok());
    let of_web = of_web.iter().flat_map(Web::files);
    // The directory and not the file, because who renews a file puts another one in its place.
    let around =
        named.into_iter().flatten().chain(web).chain(of_web).map(|path| directory_of(path).to_path_buf());
    let certificates = CERTIFICATES.iter().filter_map(|name| variable(name)).map(PathBuf::from);
    let mut read: Vec<PathBuf> =
        OF_THE_SYSTEM.iter().map(PathBuf::from).chain(around).chain(certificates).collect();
    if root != Path::new("/") {
        // Who is measured is found out anew at a reload.
        read.extend(["proc", "sys", "etc", "usr/lib"].map(|part| root.join(part)));
    }
    let mut write: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).collect();
    // A rule is of the directory that is there now; what is to make one anew needs the one around it.
    write.extend(config.queue.directory.as_deref().map(|queue| directory_of(queue).to_path_buf()));
    Files { read, write }
}

/// Where the endpoint listens.
fn ports(endpoint: &Prometheus) -> impl Iterator<Item = u16> {
    let listed = endpoint.listen.iter().filter_map(|address| address.port);
    listed.chain([endpoint.port])
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a directory, or the one in which it is to be made, belongs to another user.
fn is_foreign(path: &Path) -> bool {
    let found = path.metadata().or_else(|_| directory_of(path).metadata());
    found.is_ok_and(|metadata| host::is_foreign(&metadata))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::collectors;
    use crate::config::{self, Text};

    fn config(text: &str) -> Config {
        let environment = BTreeMap::<String, String>::new();
        let file = Text { name: "hostmeter.yaml", text };
        config::resolve(&collectors::schemas(), Some(file), &environment, &[]).unwrap().config
    }

    #[test]
    fn what_the_configuration_names_can_be_read_and_only_the_queue_be_written() {
        let config = config(
            "agent: {root: /rootfs}\nprometheus: {web_config_file: /srv/web/web.yaml}\n\
             queue: {directory: /data/queue}\n\
             otlp: {endpoint: 'https://c:4317', tls: {ca_file: /srv/tls/ca.pem}}\n",
        );
        let variable = |name: &str| (name == "SSL_CERT_FILE").then(|| "/srv/roots.pem".to_owned());
        let files = files(&config, Some(Path::new("hostmeter.yaml")), variable);
        for path in ["/etc", "/srv/tls", "/srv/web", "/srv/roots.pem", ".", "/rootfs/proc"] {
            assert!(files.read.contains(&path.into()), "{path}: {:?}", files.read);
        }
        assert!(!files.read.contains(&"/rootfs".into()) && !files.read.contains(&"/".into()));
        assert_eq!(files.write, ["/dev/null", "/dev/urandom", "/data"].map(PathBuf::from));
        let later = self::config("agent: {root: /rootfs}\nqueue: {directory: /tmp/queue}");
        let later = super::files(&later, None, |_| None);
        assert_eq!(beyond(&files, &later), [Path::new("/tmp")]);
        assert!(beyond(&files, &files).is_empty());
    }

    #[test]
    fn every_port_counts() {
        let least = |text: &str| ports(&config(text).prometheus).min();
        assert_eq!(least("prometheus: {listen: ['[::1]:80', '127.0.0.1']}"), Some(80));
        assert_eq!(least("prometheus: {listen: ['127.0.0.1']}"), Some(9464));
    }

    #[test]
    fn who_switches_it_off_keeps_everything() {
        let config = config("agent: {sandbox: false}");
        assert_eq!((drop_privileges(&config), confine(&config, &Files::default())), (None, None));
    }
}
