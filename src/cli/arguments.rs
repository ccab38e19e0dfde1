//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Override;

const EXAMPLES: &str = "\
Examples:
  hostmeter                                        serve http://localhost:9464/metrics
  hostmeter once                                   print what would be sent, as a table
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 hostmeter
                                                   push to a Collector as well
  hostmeter check                                  what is on, what is off, and why
  hostmeter doctor                                 what is in the way, and what to do about it
  hostmeter config init > hostmeter.yaml           the annotated default file

Exit codes: 0 good, 1 failed while running, 2 usage, 78 the configuration is refused,
3 another instance has the queue, 70 a bug that keeps it from going on.";

/// OpenTelemetry-native host metrics agent: OTLP push and Prometheus pull.
#[derive(Debug, Clone, Parser)]
#[command(name = "hostmeter", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    /// Configuration file [default: /etc/hostmeter/hostmeter.yaml, where it exists]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Least severe level that is logged: off, error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Root directory of the host to read [default: /host or /hostfs where a host is mounted there, else /]
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<String>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Measure and export until stopped (the default)
    Run,
    /// Measure once and print what would be sent
    Once {
        /// How it is printed
        #[arg(long, value_enum, default_value_t = OnceFormat::Table)]
        format: OnceFormat,
    },
    /// Watch this host in the terminal; no agent has to run
    Top {
        /// How often it is read
        #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = super::top::interval)]
        interval: std::time::Duration,
    },
    /// Check the configuration and the host: what is on, what is off, and why
    Check,
    /// Look for what keeps the agent from giving all it could here, with a remedy for each
    Doctor {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the agent that runs here whether it is ready: exit code 0 or 1, for probes
    Healthcheck {
        /// What is asked [default: /-/ready at the configured address]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// List every metric: name, kind, unit, attributes, source
    Metrics {
        /// How it is printed
        #[arg(long, value_enum, default_value_t = CatalogueFormat::Table)]
        format: CatalogueFormat,
    },
    /// The configuration file
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the script that completes this command line in a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man {
        /// Write it and those of all commands into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the annotated default file, or write it to a path
    Init {
        /// Where to write it; left out: the standard output
        path: Option<PathBuf>,
        /// Overwrite a file that exists
        #[arg(long)]
        force: bool,
    },
    /// Make a file of ours of an older agent's, and say what became of each key
    Import {
        /// The older file
        file: PathBuf,
        /// Where to write the new one; left out: the standard output
        path: Option<PathBuf>,
        /// Overwrite a file that exists
        #[arg(long)]
        force: bool,
    },
    /// Print the resolved configuration, and where each value comes from
    Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnceFormat {
    /// A table for people
    Table,
    /// The text of /metrics
    Prometheus,
    /// The OTLP requests as JSON, one a line
    OtlpJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CatalogueFormat {
    /// For people
    Table,
    /// For documents
    Markdown,
    /// For programs
    Json,
}

impl Arguments {
    /// The options as the strongest layer of the configuration.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let options = [
            ("--log-level", "agent.log_level", self.log_level.as_ref()),
            ("--root", "agent.root", self.root.as_ref()),
        ];
        options
            .into_iter()
            .filter_map(|(flag, key, value)| {
                Some(Override { flag: flag.to_owned(), key: key.to_owned(), value: value?.clone() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
