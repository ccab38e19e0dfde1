//! hostmeter's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hostmeter::cli::main(std::env::args_os())
}
