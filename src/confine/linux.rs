//! How Linux takes things away.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, capabilities, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::{Files, Privileges};

/// The newest version of Landlock whose rights are known here; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V5;

/// Gives away privileges, before the first other thread begins. Returns how many capabilities are left.
pub fn drop_privileges(keep: Privileges) -> Option<u32> {
    // Each of these may be refused, by an older kernel or a stricter master; then there is nothing to give away.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_no_new_privs(true);
    drop_capabilities(keep);
    Some(left())
}

fn left() -> u32 {
    capabilities(None).map_or(0, |sets| sets.permitted.bits().count_ones())
}

fn drop_capabilities(needs: Privileges) {
    // Other processes' `/proc/<pid>/io` asks for both; ways to mount points of others for the second.
    let mut keep = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    keep.set(CapabilitySet::NET_BIND_SERVICE, needs.low_port);
    keep.set(CapabilitySet::DAC_OVERRIDE, needs.foreign_directory);
    for capability in CapabilitySet::all().difference(keep).iter() {
        // Refused to who has no CAP_SETPCAP, and to him it matters little: what he has not, he cannot get.
        let _ = remove_capability_from_bounding_set(capability);
    }
    if let Ok(mut sets) = capabilities(None) {
        sets.effective &= keep;
        sets.permitted &= keep;
        sets.inheritable &= keep;
        let _ = set_capabilities(None, sets);
    }
}

/// Gives away all other files, for this thread and those that it starts from now on. Returns `enforced`,
/// `partly enforced` or `not in this kernel`.
pub fn confine(files: &Files) -> Option<&'static str> {
    let all = AccessFs::from_all(NEWEST);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = all & !BitFlags::from(AccessFs::Execute);
    let enforced = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(Ruleset::create)
        // A path that is not there is left out.
        .and_then(|rules| rules.add_rules(path_beneath_rules(&files.read, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&files.write, write)))
        .and_then(landlock::RulesetCreated::restrict_self);
    Some(match enforced.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "enforced",
        Ok(RulesetStatus::PartiallyEnforced) => "partly enforced",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "not in this kernel",
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::*;

    /// On a thread of its own, because it cannot be taken back.
    #[test]
    fn what_is_not_needed_is_neither_read_nor_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["ours", "theirs"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file"), name).unwrap();
        }
        let read = vec![PathBuf::from("/proc"), path("nowhere")];
        let files = Files { read, write: vec![path("ours")] };
        let (ours, theirs) = (path("ours"), path("theirs"));
        std::thread::spawn(move || {
            assert!(drop_privileges(Privileges::default()).is_some_and(|left| left <= 2));
            let confined = confine(&files);
            fs::write(ours.join("new"), "1").unwrap();
            fs::remove_file(ours.join("new")).unwrap();
            assert!(fs::read("/proc/stat").is_ok());
            if confined == Some("not in this kernel") {
                return;
            }
            assert!(fs::read(theirs.join("file")).is_err());
            assert!(fs::write(theirs.join("file"), "2").is_err());
            assert!(fs::write("/proc/self/comm", "x").is_err());
            // The program is there, and even where it may be read it may not be executed.
            #[expect(clippy::disallowed_methods, reason = "that it fails is what is tested")]
            let run = std::process::Command::new("/bin/true").status();
            assert!(run.is_err());
            assert!(fs::metadata(theirs.join("file")).is_ok(), "statfs(2) of mounts goes on like this");
        })
        .join()
        .unwrap();
        assert!(fs::write(path("theirs").join("file"), "3").is_ok(), "the other threads are free");
    }
}
