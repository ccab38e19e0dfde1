//! Who the host is: its name, its ids and its operating system.
//!
//! Nothing of this changes while the agent runs, and nothing of it is needed for it to run: what cannot be
//! read is absent. No program is asked (`hostname`, `dmidecode`, `lsb_release`), only the files they read.

use std::path::Path;

use uuid::Uuid;

use super::{Host, container_id, kernel, os_release};

/// What DMI tables hold that nobody filled in: a value that thousands of boards share is no identity.
const DMI_PLACEHOLDER: &str = "03000200-0400-0500-0006-000700080009";

/// Who the host is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `/etc/hostname` (hostname(5)).
    pub name: Option<String>,
    /// `/proc/sys/kernel/hostname`. It follows the reader, not the root: read from within a container, it is
    /// the container's name even under the host's `/proc`.
    pub kernel_name: Option<String>,
    /// `/etc/machine-id`, or `/var/lib/dbus/machine-id` on systems without systemd (machine-id(5)).
    pub machine_id: Option<String>,
    /// The system UUID of the DMI tables, `/sys/class/dmi/id/product_uuid`; readable by root only.
    pub dmi_uuid: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`: another one after each boot.
    pub boot_id: Option<String>,
    /// The values of `host.arch`: `amd64`, `arm64`, ...
    pub arch: String,
    /// The values of `os.type`: `linux`, `darwin`, `windows`.
    pub os_type: &'static str,
    /// `Debian GNU/Linux`.
    pub os_name: Option<String>,
    /// `12`.
    pub os_version: Option<String>,
    /// `Debian GNU/Linux 12 (bookworm), kernel 6.1.0-25-amd64`.
    pub os_description: Option<String>,
    /// The container in which the agent itself runs.
    pub container_id: Option<String>,
    /// Whether the root is the agent's own, not one that was mounted for it.
    pub own_root: bool,
}

impl Identity {
    /// Reads all that can be read.
    pub fn read(host: &Host) -> Self {
        let word = |path: &str| Some(host.read(path).ok()?.trim().to_owned()).filter(|text| !text.is_empty());
        let own_root = host.root() == Path::new("/");
        let from = |path: &str, parse: fn(&str) -> Option<String>| parse(&host.read(path).ok()?);
        let mut identity = Self {
            name: from("etc/hostname", host_name),
            kernel_name: word("proc/sys/kernel/hostname").or_else(|| kernel::name(host.root())),
            machine_id: from("etc/machine-id", machine_id)
                .or_else(|| from("var/lib/dbus/machine-id", machine_id)),
            dmi_uuid: from("sys/class/dmi/id/product_uuid", dmi_uuid)
                .or_else(|| dmi_uuid(&kernel::machine_uuid(host.root())?)),
            boot_id: word("proc/sys/kernel/random/boot_id"),
            arch: arch(&sysinfo::System::cpu_arch()),
            os_type: os_type(),
            container_id: from("proc/self/cgroup", container_id::from_cgroup)
                .or_else(|| from("proc/self/mountinfo", container_id::from_mountinfo)),
            own_root,
            ..Self::default()
        };
        identity.read_os(host, word("proc/sys/kernel/osrelease"));
        identity
    }

    fn read_os(&mut self, host: &Host, kernel: Option<String>) {
        let files = ["etc/os-release", "usr/lib/os-release"];
        let described = if let Some(text) = files.iter().find_map(|path| host.read(path).ok()) {
            let os = os_release::parse(&text);
            self.os_name = Some(os.name.unwrap_or_else(|| "Linux".to_owned()));
            self.os_version = os.version;
            os.pretty_name
        } else if self.own_root {
            // Older and smaller Linux systems, and every other system.
            self.os_name = sysinfo::System::name().ok();
            self.os_version = sysinfo::System::os_version().ok();
            sysinfo::System::long_os_version().ok()
        } else {
            None
        };
        let kernel = kernel.or_else(|| sysinfo::System::kernel_version().ok().filter(|_| self.own_root));
        let parts = [described, kernel.map(|release| format!("kernel {release}"))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        self.os_description = Some(parts.join(", ")).filter(|text| !text.is_empty());
    }
}

/// The first line that is neither empty nor a comment; `localhost` is what a system has that nobody named.
fn host_name(text: &str) -> Option<String> {
    let name = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    (!name.starts_with("localhost")).then(|| name.to_owned())
}

/// 32 hexadecimal digits. An image that has never been started has an empty file or `uninitialized` there.
fn machine_id(text: &str) -> Option<String> {
    let id = Uuid::parse_str(text.trim()).ok().filter(|id| !id.is_nil())?;
    Some(id.simple().to_string())
}

fn dmi_uuid(text: &str) -> Option<String> {
    let id = Uuid::parse_str(text.trim()).ok().filter(|id| !id.is_nil() && !id.is_max())?;
    Some(id.to_string()).filter(|id| id != DMI_PLACEHOLDER)
}

/// The convention's word for what `uname -m` says.
fn arch(machine: &str) -> String {
    match machine {
        "x86_64" | "amd64" => "amd64",
        "aarch64" | "aarch64_be" | "arm64" => "arm64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "x86",
        "ppc64" | "ppc64le" | "powerpc64" => "ppc64",
        "ppc" | "powerpc" => "ppc32",
        arm if arm.starts_with("arm") => "arm32",
        other => other,
    }
    .to_owned()
}

fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(files: &[(&str, &str)]) -> Identity {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().chain(&[("proc/stat", "btime 1\n")]) {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Identity::read(&Host::at(dir.path()).unwrap())
    }

    #[test]
    fn a_host_is_known_by_the_files_of_its_root() {
        let found = identity(&[
            ("etc/hostname", "# set by hand\n\nweb-1\n"),
            ("etc/machine-id", "3D1219C7C4C5404AAA1F6D2A48ADFDA4\n"),
            ("sys/class/dmi/id/product_uuid", "4C4C4544-0043-3010-8052-B4C04F564432\n"),
            ("proc/sys/kernel/random/boot_id", "0b3d6f9e-5d3f-4c5c-9f0e-3a0d9d1c1e55\n"),
            ("proc/sys/kernel/osrelease", "6.1.0-25-amd64\n"),
            ("etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=12\nPRETTY_NAME='Debian 12'\n"),
        ]);
        assert_eq!(found.name.as_deref(), Some("web-1"));
        assert_eq!(found.machine_id.as_deref(), Some("3d1219c7c4c5404aaa1f6d2a48adfda4"));
        assert_eq!(found.dmi_uuid.as_deref(), Some("4c4c4544-0043-3010-8052-b4c04f564432"));
        assert_eq!(found.os_name.as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(found.os_version.as_deref(), Some("12"));
        assert_eq!(found.os_description.as_deref(), Some("Debian 12, kernel 6.1.0-25-amd64"));
    }

    #[test]
    fn what_nobody_filled_in_is_no_identity() {
        let found = identity(&[
            ("etc/hostname", "localhost.localdomain\n"),
            ("etc/machine-id", "uninitialized\n"),
            ("var/lib/dbus/machine-id", "00000000000000000000000000000000\n"),
            ("sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n"),
        ]);
        assert_eq!((found.name, found.machine_id, found.dmi_uuid), (None, None, None));
    }

    #[test]
    fn a_foreign_root_that_says_nothing_is_not_described_by_our_own() {
        let found = identity(&[]);
        assert!(!found.own_root);
        assert_eq!((found.os_name, found.os_version, found.os_description), (None, None, None));
    }

    #[test]
    fn a_system_without_systemd_has_the_id_of_dbus() {
        let found = identity(&[("var/lib/dbus/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n")]);
        assert_eq!(found.machine_id.as_deref(), Some("3d1219c7c4c5404aaa1f6d2a48adfda4"));
    }

    #[test]
    fn the_architectures_have_the_names_of_the_convention() {
        let names = ["x86_64", "aarch64", "armv7l", "i686", "ppc64le", "s390x", "riscv64"].map(arch);
        assert_eq!(names, ["amd64", "arm64", "arm32", "x86", "ppc64", "s390x", "riscv64"]);
    }
}
