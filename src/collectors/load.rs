//! Load averages, from `/proc/loadavg` (proc_loadavg(5)).

use crate::host::{Error, Host, ParseError, text};
use crate::metric::{Metric, Reading, ValueType::Double};

use super::{Collector, Spec};

static LOAD_1M: Metric = Metric::gauge("system.cpu.load_average.1m", "{thread}", Double)
    .about(
        "Average number of threads running or waiting (on a CPU or in uninterruptible sleep) over 1 minute",
    )
    .from("/proc/loadavg");
static LOAD_5M: Metric = Metric::gauge("system.cpu.load_average.5m", "{thread}", Double)
    .about(
        "Average number of threads running or waiting (on a CPU or in uninterruptible sleep) over 5 minutes",
    )
    .from("/proc/loadavg");
static LOAD_15M: Metric = Metric::gauge("system.cpu.load_average.15m", "{thread}", Double)
    .about(
        "Average number of threads running or waiting (on a CPU or in uninterruptible sleep) over 15 minutes",
    )
    .from("/proc/loadavg");

pub(super) static SPEC: Spec = Spec {
    name: "load",
    about: "Load averages",
    metrics: &[&LOAD_1M, &LOAD_5M, &LOAD_15M],
    settings: &[],
    build: |_, _| Ok(Box::new(Load)),
};

struct Load;

impl Collector for Load {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let averages = host.parse("proc/loadavg", parse)?;
        for (metric, average) in [&LOAD_1M, &LOAD_5M, &LOAD_15M].into_iter().zip(averages) {
            out.push(metric, vec![], average);
        }
        Ok(())
    }
}

/// The averages over 1, 5 and 15 minutes.
pub(crate) fn parse(text: &str) -> Result<[f64; 3], ParseError> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || text::finite(fields.next(), 1, text, "three load averages");
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_averages_are_read() {
        assert_eq!(parse("0.20 0.18 12.00 1/80 11206\n"), Ok([0.20, 0.18, 12.0]));
    }

    #[test]
    fn a_cut_file_says_what_was_expected() {
        let error = parse("0.20 0.1").unwrap_err().at("proc/loadavg");
        assert_eq!(error.to_string(), r#"proc/loadavg:1: expected three load averages, found "0.20 0.1""#);
    }
}
