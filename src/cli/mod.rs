//! The command line: from arguments to an exit code.

mod arguments;
mod ask;
pub mod catalogue;
mod check;
mod configuration;
mod doctor;
mod generate;
mod healthcheck;
mod log;
mod once;
mod port;
mod run;
mod sandbox;
mod signals;
pub mod table;
mod top;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::agent::BuildError;
use crate::config::Problems;
use arguments::{Arguments, Command, ConfigCommand};

/// Why a command ended without success; each has its exit code.
enum Failure {
    /// It failed while running: exit code 1.
    Running(anyhow::Error),
    /// What is wrong was told already: exit code 1.
    Told,
    /// Another instance has what it needs: exit code 3.
    InUse(String),
    /// The configuration is refused: exit code 78, `EX_CONFIG` of sysexits(3).
    Configuration(String),
    /// Its tasks panic again and again: exit code 70, `EX_SOFTWARE` of sysexits(3).
    Hopeless(String),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Running(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::Configuration(problems.to_string())
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Queue(error) => Failure::InUse(error.to_string()),
            error if error.is_configuration() => Failure::Configuration(error.to_string()),
            error => Failure::Running(error.into()),
        }
    }
}

/// Another instance is running.
const IN_USE: u8 = 3;

/// `EX_SOFTWARE` of sysexits(3).
const SOFTWARE: u8 = 70;

/// `EX_CONFIG` of sysexits(3).
const CONFIGURATION: u8 = 78;

/// Runs the command that the arguments name.
///
/// Exit codes: 0 good, 1 failed while running, 2 not understood (usage), 3 another instance has the queue's
/// directory, 70 a bug that keeps it from going on, 78 the configuration is refused.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and the version are "errors" that are printed to the standard output and are good.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Running(error)) => {
            complain(&format!("hostmeter: {error:#}\n"));
            ExitCode::FAILURE
        }
        Err(Failure::InUse(what)) => {
            complain(&format!("hostmeter: {what}\n"));
            ExitCode::from(IN_USE)
        }
        Err(Failure::Hopeless(what)) => {
            complain(&format!("hostmeter: {what}\n"));
            ExitCode::from(SOFTWARE)
        }
        Err(Failure::Configuration(problems)) => {
            complain(&format!("hostmeter: the configuration is refused\n{problems}\n"));
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    match arguments.command.as_ref().unwrap_or(&Command::Run) {
        Command::Run => run::run(arguments),
        Command::Once { format } => once::once(arguments, *format),
        Command::Top { interval } => top::top(arguments, *interval),
        Command::Check => check::check(arguments),
        Command::Doctor { json } => doctor::doctor(arguments, *json),
        Command::Healthcheck { url } => healthcheck::healthcheck(arguments, url.as_deref()),
        Command::Metrics { format } => print(&match format {
            arguments::CatalogueFormat::Table => catalogue::table(),
            arguments::CatalogueFormat::Markdown => catalogue::markdown(),
            arguments::CatalogueFormat::Json => catalogue::json().context("the catalogue as JSON")? + "\n",
        }),
        Command::Config { command: ConfigCommand::Init { path, force } } => {
            configuration::init(path.as_deref(), *force)
        }
        Command::Config { command: ConfigCommand::Import { file, path, force } } => {
            configuration::import(file, path.as_deref(), *force)
        }
        Command::Config { command: ConfigCommand::Show } => configuration::show(arguments),
        Command::Completions { shell } => generate::completions(*shell),
        Command::Man { dir } => generate::man(dir.as_deref()),
    }
}

/// Prints to the standard output; a reader that has gone (`hostmeter metrics | head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.context("the standard output")?),
    }
}

/// Prints to the standard error, where there is one.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
