//! The fixture hosts, read twice: what the second reading holds.

use super::machine::Machine;
use super::{compare, support, text};

fn host(name: &str, show: fn(&[super::machine::Found]) -> String) {
    let root = support::unpack(name);
    let mut machine = Machine::new(root.path(), "", "{}");
    machine.read();
    let shown = show(&machine.read());
    // Where a path of this machine is told, it is the root's.
    compare(&format!("golden/{name}.txt"), &shown.replace(&root.path().display().to_string(), "<root>"));
}

#[test]
fn a_virtual_machine() {
    host("vm", text::points);
}

#[test]
fn a_container() {
    host("container", text::points);
}

#[test]
fn an_old_kernel() {
    host("old-kernel", text::points);
}

#[test]
fn a_hostile_host() {
    host("hostile", text::points);
}

#[test]
fn a_large_host() {
    host("large", text::digest);
}
