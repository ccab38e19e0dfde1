//! The fixture hosts, read twice: what the second reading holds.

use super::machine::{Found, Machine};
use super::text::{self, Line};
use super::{compare, support};

fn host(name: &str, show: fn(&[Found]) -> Vec<Line>) {
    let root = support::unpack(name);
    let mut machine = Machine::new(root.path(), "", "{}");
    machine.read();
    compare(&format!("golden/{name}.txt"), &text::all(&show(&machine.read())), root.path());
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
