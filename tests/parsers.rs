//! What the fuzzer runs (`tests/fuzz`), in `cargo test`: the same functions on the files of the fixture host,
//! damaged in the ways in which files are.

#[allow(unreachable_pub, reason = "to the fuzzer it is a library of its own")]
#[path = "fuzz/src/lib.rs"]
mod fuzz;

use proptest::prelude::*;

/// What stands where a number or a name is expected.
const ODD: [&[u8]; 14] = [
    b"",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775808",
    b"99999999999999999999999",
    b"1e400",
    b"nan",
    b"\xff\xfe",
    b"\n",
    b" ",
    b")",
    b"\0",
];

#[derive(Debug, Clone)]
enum Damage {
    /// The file ends there.
    Cut(prop::sample::Index),
    /// The field there is another.
    Field(prop::sample::Index, &'static [u8]),
    /// The line there stands twice.
    Twice(prop::sample::Index),
    /// The line there is gone.
    Gone(prop::sample::Index),
    /// The byte there is another.
    Byte(prop::sample::Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Damage::Cut),
        (at(), prop::sample::select(&ODD[..])).prop_map(|(at, odd)| Damage::Field(at, odd)),
        at().prop_map(Damage::Twice),
        at().prop_map(Damage::Gone),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
    ]
}

impl Damage {
    fn apply(&self, content: &mut Vec<u8>) {
        if content.is_empty() {
            return;
        }
        match self {
            Damage::Cut(at) => content.truncate(at.index(content.len())),
            Damage::Byte(at, byte) => *at.get_mut(content) = *byte,
            Damage::Field(at, odd) => {
                let (from, to) = around(content, at.index(content.len()), |byte| byte.is_ascii_whitespace());
                content.splice(from..to, odd.iter().copied());
            }
            Damage::Twice(at) => {
                let (from, to) = around(content, at.index(content.len()), |byte| byte == b'\n');
                let line = [&content[from..to], b"\n"].concat();
                content.splice(from..from, line);
            }
            Damage::Gone(at) => {
                let (from, to) = around(content, at.index(content.len()), |byte| byte == b'\n');
                content.drain(from..to);
            }
        }
    }
}

fn damaged(mut content: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        damage.apply(&mut content);
    }
    content
}

/// The run around a place that ends where `ends` holds.
fn around(content: &[u8], at: usize, ends: impl Fn(u8) -> bool) -> (usize, usize) {
    let from = content[..at].iter().rposition(|byte| ends(*byte)).map_or(0, |at| at + 1);
    let to = content[at..].iter().position(|byte| ends(*byte)).map_or(content.len(), |end| at + end);
    (from, to.max(from))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damaged_file_makes_a_collector_tell_nonsense(
        collector in prop::sample::select(fuzz::FILES),
        file in any::<u8>(),
        settings in 0..4_u8,
        damages in proptest::collection::vec(damage(), 1..5),
    ) {
        let (name, files) = collector;
        let content = damaged(fuzz::Machine::content(files[usize::from(file) % files.len()]), &damages);
        fuzz::collector(name, &[&[file, settings], &*content].concat());
    }

    #[test]
    fn no_damaged_file_makes_a_host_somebody_else(
        file in any::<u8>(),
        damages in proptest::collection::vec(damage(), 1..5),
    ) {
        let path = fuzz::IDENTITY[usize::from(file) % fuzz::IDENTITY.len()];
        let content = damaged(fuzz::Machine::content(path), &damages);
        fuzz::identity(&[&[file], &*content].concat());
    }

    #[test]
    fn no_text_is_a_configuration_that_panics(damages in proptest::collection::vec(damage(), 0..9), any in ".{0,99}") {
        let default = hostmeter::config::render_default(&hostmeter::collectors::schemas());
        let said = default.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n");
        fuzz::config(&damaged(said.collect::<String>().into_bytes(), &damages));
        fuzz::config(any.as_bytes());
    }

    #[test]
    fn no_variable_panics(
        name in prop::sample::select(&["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "HOSTMETER_OTLP__INTERVAL",
            "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_METRICS_EXPORTER", "HOSTMETER_COLLECTORS__CPU__METRICS"][..]),
        value in "[a-z0-9=,:/%.\\[\\] -]{0,30}|\\PC{0,20}",
    ) {
        fuzz::environment(format!("{name}={value}").as_bytes());
    }
}

#[test]
fn every_collector_that_reads_files_is_fuzzed() {
    let fuzzed: Vec<_> = fuzz::FILES.iter().map(|(name, _)| *name).chain(["agent"]).collect();
    let all: Vec<_> = hostmeter::collectors::ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(fuzzed, all);
}
