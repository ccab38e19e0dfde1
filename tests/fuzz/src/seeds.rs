//! Writes the seeds of every target into `corpus/`: the files of the fixture host, and a configuration.

use std::path::Path;

use hostmeter_fuzz::{FILES, IDENTITY, Machine};

fn main() -> std::io::Result<()> {
    for (collector, files) in FILES {
        for (number, path) in (0_u8..).zip(*files) {
            for settings in 0..4_u8 {
                let name = format!("{number}-{settings}");
                write(collector, &name, &[&[number, settings], &*Machine::content(path)].concat())?;
            }
        }
    }
    for (number, path) in (0_u8..).zip(IDENTITY) {
        write("identity", &number.to_string(), &[&[number], &*Machine::content(path)].concat())?;
    }
    let default = hostmeter::config::render_default(&hostmeter::collectors::schemas());
    // The default file is comments; without their mark they are settings.
    let said: String =
        default.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
    write("config", "default", default.as_bytes())?;
    write("config", "said", said.as_bytes())?;
    write(
        "config",
        "process",
        b"collectors: {process: {rules: ['a: name=^x$ owner=.'], include: ['cgroup=/a']}}",
    )?;
    write("environment", "otel", b"OTEL_EXPORTER_OTLP_ENDPOINT=https://a:4317\nOTEL_EXPORTER_OTLP_HEADERS=a=b%20c,d=e\nOTEL_RESOURCE_ATTRIBUTES=x=y\nHOSTMETER_PROMETHEUS__PORT=1")?;
    write("otlp_grpc", "refused", b"14\x00too%20busy\x00\x00")?;
    write("otlp_grpc", "partial", b"0\x00\x00\x00\x00\x00\x00\x00\x09\x0a\x07\x08\x05\x12\x03why")?;
    write("otlp_http", "later", b"\x01\xf7application/x-protobuf\x00120\x00\x12\x03why")?;
    write("otlp_http", "partial", b"\x00\xc8application/x-protobuf\x00\x00\x0a\x07\x08\x05\x12\x03why")
}

fn write(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join(name), bytes)
}
