//! The id of the container in which the agent runs, from its own `cgroup` and `mountinfo`.
//!
//! Every engine of today names a container by 64 hexadecimal digits. With cgroup v1, or without a cgroup
//! namespace, they are in the path of the cgroup (`/docker/<id>`, `docker-<id>.scope`,
//! `cri-containerd-<id>.scope`, `crio-<id>.scope`, `libpod-<id>.scope`). With cgroup v2 and a namespace that
//! path is `/`; then docker and podman show the id in the source of the files they mount over `/etc/hostname`
//! and its like, and containerd shows it nowhere.

/// Files that an engine mounts into a container, the best witness first: in a pod, the others can be those
/// of the pod's sandbox.
const MOUNTED: [&str; 4] = ["/run/.containerenv", "/etc/hostname", "/etc/resolv.conf", "/etc/hosts"];

/// From `/proc/self/cgroup` (cgroups(7)): `hierarchy:controllers:path`.
pub(crate) fn from_cgroup(text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .flat_map(|path| path.rsplit('/'))
        .find_map(of_cgroup)
}

/// From one part of a cgroup's path, where that is the container's own.
pub(crate) fn of_cgroup(part: &str) -> Option<String> {
    id(part.strip_suffix(".scope").unwrap_or(part).rsplit(['-', ':']).next()?)
}

/// From `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the fourth field is the source within its file
/// system, the fifth the mount point.
pub(super) fn from_mountinfo(text: &str) -> Option<String> {
    MOUNTED.iter().find_map(|mounted| {
        let mut mounts = text.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(3);
            Some((fields.next()?, fields.next()?))
        });
        let (source, _) = mounts.find(|(_, point)| point == mounted)?;
        let parts: Vec<&str> = source.split('/').collect();
        // `docker/containers/<id>`, `storage/overlay-containers/<id>`, but not containerd's `sandboxes/<id>`.
        parts.windows(2).filter(|pair| pair[0].ends_with("containers")).find_map(|pair| id(pair[1]))
    })
}

fn id(text: &str) -> Option<String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == 64 && text.bytes().all(hex)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "4b7d6f1c0e9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c";

    #[test]
    fn the_path_of_every_engine_is_understood() {
        for path in [
            "/docker/{}",
            "/system.slice/docker-{}.scope",
            "/docker/{}/system.slice/hostmeter.service",
            "/kubepods/besteffort/pod0f6ad40b-9b1b-4b8e-8b3a-6f4b7a4b2d11/{}",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f6ad40b_9b1b.slice/cri-containerd-{}.scope",
            "/kubepods.slice/kubepods-pod0f6ad40b_9b1b.slice/crio-{}.scope",
            "/system.slice/containerd.service/kubepods-besteffort-pod0f6a.slice:cri-containerd:{}",
            "/machine.slice/libpod-{}.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{}.scope",
        ] {
            let text = format!("12:cpuset:/\n0::{}\n", path.replace("{}", ID));
            assert_eq!(from_cgroup(&text).as_deref(), Some(ID), "{path}");
        }
    }

    #[test]
    fn outside_of_a_container_there_is_none() {
        let text = "1:name=systemd:/\n0::/system.slice/hostmeter.service\n";
        assert_eq!(from_cgroup(text), None);
        // The mount table of a host that runs containers names them, but over no file of its own.
        let host = format!("60 29 0:52 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n");
        assert_eq!(from_mountinfo(&host), None);
    }

    #[test]
    fn the_files_that_docker_and_podman_mount_name_the_container() {
        let docker = format!(
            "601 590 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(from_mountinfo(&docker).as_deref(), Some(ID));
        let podman = format!(
            "9 8 0:24 /containers/storage/overlay-containers/{}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n\
             9 8 0:24 /containers/storage/overlay-containers/{ID}/userdata/.containerenv /run/.containerenv rw - tmpfs tmpfs rw\n",
            ID.replace('4', "5"),
        );
        assert_eq!(from_mountinfo(&podman).as_deref(), Some(ID));
    }

    #[test]
    fn the_sandbox_of_a_pod_is_not_the_container() {
        let text = format!(
            "9 8 8:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(from_mountinfo(&text), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9]+:)?[a-f0-9:/ \n.-]*.*") {
            let _ = from_cgroup(&text);
            let _ = from_mountinfo(&text);
        }
    }
}
