//! hostmeter's command line.
fn main() {}
