//! `hostmeter completions` and `hostmeter man`: generated from the definition of the command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::arguments::Arguments;
use super::{Failure, print};
use crate::config;

/// The script that completes hostmeter's command line in a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    print(&script(shell))
}

/// Prints the page of `hostmeter` itself, or writes it and those of all its commands into a directory.
pub(super) fn man(directory: Option<&Path>) -> Result<(), Failure> {
    let pages = pages().context("the man pages")?;
    let Some(directory) = directory else {
        return print(pages.first().map(|(_, text)| text.as_str()).unwrap_or_default());
    };
    for (name, text) in &pages {
        let path = directory.join(name);
        config::write_file(&path, text, true).with_context(|| format!("{}: not written", path.display()))?;
    }
    print(&format!("wrote {} pages to {}\n", pages.len(), directory.display()))
}

fn script(shell: Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hostmeter", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Every page with its file's name, that of `hostmeter` first.
fn pages() -> std::io::Result<Vec<(PathBuf, String)>> {
    let mut command = Arguments::command();
    // Without this a page does not know the options that all commands have, nor its own whole name.
    command.build();
    let mut pages = Vec::new();
    add(&command, "hostmeter", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(PathBuf, String)>) -> std::io::Result<()> {
    let mut text = Vec::new();
    Man::new(command.clone()).title(name).render(&mut text)?;
    pages.push((format!("{name}.1").into(), String::from_utf8_lossy(&text).into_owned()));
    // `help` has the names of all the others below it, and says what each of their pages says.
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        add(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_command_has_a_page_and_is_completed_in_every_shell() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names[0], "hostmeter.1");
        for name in ["hostmeter-run.1", "hostmeter-config.1", "hostmeter-config-init.1", "hostmeter-man.1"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(pages.iter().all(|(_, text)| text.contains(".SH SYNOPSIS") && text.contains("\\-\\-config")));
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["healthcheck", "log-level"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
