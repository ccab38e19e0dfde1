//! The queue's directory without an agent around it, for `tests/faults/run`: a writer that is killed, and a day's
//! batches at once.
//!
//! ```text
//! fault-queue write DIRECTORY MOST FIRST SETTLES   appends and settles at random until it is killed
//! fault-queue drain DIRECTORY MOST                 settles everything
//! fault-queue fill DIRECTORY COUNT BYTES           appends COUNT requests of about BYTES bytes
//! ```
//!
//! Each batch of `write` holds one point and its number, from FIRST on; it appends up to three, settles up to SETTLES,
//! and so on. Each line is printed at once: `open MICROSECONDS TAKEN GONE WAITING LOST`, `begin N` before it is
//! appended, `in N` after; `out N` when it is handed out, `settled N`, and `dropped N` with how many were for want of
//! room.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use flate2::write::GzEncoder;
use hostmeter::queue::{Batch, DiskLimits, Fate, Limits, Moment, Place, Queue};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use prost::Message;

/// What the oracle knows ticks by.
const WITNESS: &str = "system.cpu.load_average.1m";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
    match words[..] {
        ["write", directory, most, first, settles] => {
            write(&mut open(directory, number(most)?)?, number(first)?, number(settles)?)
        }
        ["drain", directory, most] => drain(&mut open(directory, number(most)?)?),
        ["fill", directory, count, bytes] => {
            fill(&mut open(directory, 1 << 40)?, number(count)?, number(bytes)?)
        }
        _ => Err(io::Error::other("write, drain or fill")),
    }
}

fn open(directory: &str, bytes: u64) -> io::Result<Queue> {
    let place = Place {
        directory: Path::new(directory).to_path_buf(),
        limits: DiskLimits { bytes, free: 0, share: 100, reserve: 0 },
        boot_id: 0,
    };
    let began = Instant::now();
    let mut queue = Queue::open(Limits::default(), &place, Moment::now()).map_err(io::Error::other)?;
    // Whoever opens it wants to send.
    queue.peek(Moment::now());
    let took = began.elapsed().as_micros();
    let books = *queue.books();
    let gone: u64 = Fate::ALL.into_iter().map(|fate| books.left(fate)).sum();
    let (waiting, lost) = (queue.usage(Moment::now()).points, books.left(Fate::Lost));
    say(&format!("open {took} {} {gone} {waiting} {lost}", books.taken()))?;
    Ok(queue)
}

/// One system call a line, so that what was printed before a kill is read after it.
fn say(line: &str) -> io::Result<()> {
    io::stdout().write_all(format!("{line}\n").as_bytes())
}

fn write(queue: &mut Queue, mut next: u64, settles: u64) -> io::Result<()> {
    let mut random = fastrand::Rng::new();
    loop {
        let group = next..next + random.u64(1..4);
        next = group.end;
        let batch = |number: u64| {
            let mut bytes = vec![b'.'; 8 + random.usize(0..20_000)];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Batch { bytes: Bytes::from(bytes), points: 1 }
        };
        let batches = group.clone().map(batch).collect();
        for number in group.clone() {
            say(&format!("begin {number}"))?;
        }
        let before = queue.books().left(Fate::QueueFull);
        queue.append(batches, 0, Moment::now());
        for number in group {
            say(&format!("in {number}"))?;
        }
        let dropped = queue.books().left(Fate::QueueFull) - before;
        if dropped > 0 {
            say(&format!("dropped {dropped}"))?;
        }
        for _ in 0..random.u64(0..=settles) {
            settle(queue)?;
        }
    }
}

fn settle(queue: &mut Queue) -> io::Result<bool> {
    let Some(entry) = queue.peek(Moment::now()) else { return Ok(false) };
    let number = entry.bytes.first_chunk().map(|number| u64::from_le_bytes(*number));
    let number = number.ok_or_else(|| io::Error::other("a batch that nobody wrote"))?;
    say(&format!("out {number}"))?;
    queue.settle(entry.sequence, Fate::Delivered, 0);
    say(&format!("settled {number}"))?;
    Ok(true)
}

fn drain(queue: &mut Queue) -> io::Result<()> {
    while settle(queue)? {}
    let books = queue.books();
    say(&format!("dropped {}", books.left(Fate::QueueFull)))
}

/// What an agent would have left in a day without a receiver; the numbers in it do not compress.
fn fill(queue: &mut Queue, count: u64, bytes: u64) -> io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    let mut random = fastrand::Rng::with_seed(9);
    for group in (0..count).collect::<Vec<_>>().chunks(100) {
        let batches = group.iter().map(|number| {
            let ago = Duration::from_secs(15 * (count - number));
            request(now.saturating_sub(ago).as_nanos() as u64, bytes, &mut random)
        });
        queue.append(batches.collect::<io::Result<_>>()?, 0, Moment::now());
    }
    say(&format!("filled {}", queue.usage(Moment::now()).batches))
}

fn request(time: u64, bytes: u64, random: &mut fastrand::Rng) -> io::Result<Batch> {
    let point = |value| NumberDataPoint { time_unix_nano: time, value: Some(value), ..Default::default() };
    let metric = |name: &str, data_points| Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points })),
        ..Default::default()
    };
    // Sixteen bytes of a point are random.
    let filler = (0..bytes / 20).map(|_| NumberDataPoint {
        start_time_unix_nano: random.u64(..),
        ..point(Value::AsInt(random.i64(..)))
    });
    let metrics =
        vec![metric(WITNESS, vec![point(Value::AsDouble(1.0))]), metric("filler", filler.collect())];
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
            ..Default::default()
        }],
    };
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&request.encode_to_vec())?;
    Ok(Batch { bytes: encoder.finish()?.into(), points: 1 + bytes / 20 })
}
