//! What the user said: one typed tree from defaults, a YAML file, the environment and the command line.
//!
//! Each is stronger than the one before it. [`load()`] reads them, checks every value against the tables of
//! [`Setting`]s, lays them over each other and gives a [`Config`], or every problem at once with the place
//! where it stands. What is unknown, of the wrong type or out of range is refused, never ignored.
//!
//! The tables say everything about a key once: the checks, the annotated default file ([`render_default`]),
//! the names of the environment's variables and `hostmeter config show` ([`Loaded::show`]) are loops over
//! them. To add a key, add it to its table and its field to the typed tree.

mod address;
mod check;
mod cross;
mod environment;
mod file;
mod import;
mod known;
mod layer;
mod leaf;
mod load;
mod problem;
mod render;
mod setting;
mod tables;
mod typed;
mod value;
mod web;
mod yaml;

pub use environment::{Environment, ProcessEnvironment};
pub use file::{DEFAULT_FILE, read_file, write_file};
pub use import::{Imported, import};
pub use known::CollectorSchema;
pub use load::{Loaded, Override, Text, load, resolve};
pub use problem::{Problem, Problems};
pub use render::render_default;
pub use setting::{Kind, Setting};
pub use typed::{
    Agent, CollectorConfig, Compression, Config, Dialect, Level, Listen, LogFormat, Logs, Otlp, Prometheus,
    Protocol, Queue, ResourceLimits, Secret, Strategy, Temporality, Tls, VmId,
};
pub use web::{ClientAuth, Pem, Rate, ServerTls, TlsVersion, Web, read_web};
