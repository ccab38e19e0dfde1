//! `hostmeter config init` and `config show`, and how every command finds its configuration.

use std::path::Path;

use crate::collectors;
use crate::config::{self, Loaded, Problems, ProcessEnvironment};

use super::arguments::Arguments;
use super::{Failure, complain, print};

/// The configuration that the arguments, the environment and the file make together.
pub(super) fn load(arguments: &Arguments) -> Result<Loaded, Failure> {
    Ok(read(arguments)?)
}

/// The same with the problems themselves.
pub(super) fn read(arguments: &Arguments) -> Result<Loaded, Problems> {
    let schemas = collectors::schemas();
    config::load(&schemas, arguments.config.as_deref(), &ProcessEnvironment, &arguments.overrides())
}

/// Prints the annotated default file, or writes it where nothing stands yet.
pub(super) fn init(path: Option<&Path>, force: bool) -> Result<(), Failure> {
    let text = config::render_default(&collectors::schemas());
    write(&text, path, force)
}

/// Makes a file of ours of an older agent's; what is to be known of it goes to the standard error.
pub(super) fn import(file: &Path, path: Option<&Path>, force: bool) -> Result<(), Failure> {
    let name = file.display().to_string();
    let text = config::read_file(file)?;
    let imported = config::import(&collectors::schemas(), config::Text { name: &name, text: &text })?;
    write(&imported.text, path, force)?;
    for note in &imported.notes {
        complain(&format!("{note}\n"));
    }
    Ok(())
}

fn write(text: &str, path: Option<&Path>, force: bool) -> Result<(), Failure> {
    let Some(path) = path else { return print(text) };
    config::write_file(path, text, force).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "; choose another path, or overwrite it with --force",
            _ => "",
        };
        anyhow::Error::new(error).context(format!("{}: not written{advice}", path.display()))
    })?;
    print(&format!("wrote {}\n", path.display()))
}

/// Prints the resolved tree with the place where each value was said.
pub(super) fn show(arguments: &Arguments) -> Result<(), Failure> {
    print(load(arguments)?.show())
}
