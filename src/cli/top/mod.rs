//! `hostmeter top`: the numbers of this host in a terminal, by the agent's own collectors.

mod model;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::agent::Measuring;
use crate::collectors;
use crate::config::{self, Config, Override, ProcessEnvironment};
use crate::metric::Snapshot;
use crate::stats::Stats;

use super::arguments::Arguments;
use super::signals::Signals;
use super::{Failure, configuration};
use model::{Model, Order};

/// A mount that hangs holds a key up no longer than this.
const BUDGET: Duration = Duration::from_millis(1100);

/// How often a signal is looked for.
const GLANCE: Duration = Duration::from_millis(200);

/// A snapshot is shared for nearly this long.
const LEAST: Duration = Duration::from_secs(1);

/// More processes than an agent would send; a screen has room for them.
const PROCESSES: &str = "60";

/// `2s`, `500ms`, or a bare number of seconds.
pub(super) fn interval(said: &str) -> Result<Duration, String> {
    let seconds = said.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let interval = seconds.or_else(|| humantime::parse_duration(said).ok());
    let range = LEAST..=Duration::from_hours(1);
    interval
        .filter(|interval| range.contains(interval))
        .ok_or_else(|| "expected a duration from 1s to 1h".to_owned())
}

pub(super) fn top(arguments: &Arguments, interval: Duration) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(
            anyhow::anyhow!("top needs a terminal; hostmeter once prints the numbers anywhere").into()
        );
    }
    let config = settings(arguments)?;
    let measuring = Measuring::build(&config, &ProcessEnvironment, Arc::new(Stats::default()))?;
    let told_to_stop = signals()?;
    let terminal = ratatui::try_init().context("the terminal")?;
    of_this_thread_only();
    let result = watch(terminal, &measuring, interval, &told_to_stop);
    let restored = ratatui::try_restore();
    result.and(restored).context("the terminal")?;
    Ok(())
}

/// The configuration that was asked for, else what a host gives without one.
fn settings(arguments: &Arguments) -> Result<Config, Failure> {
    if arguments.config.is_some() {
        return Ok(configuration::load(arguments)?.config);
    }
    let mut said = arguments.overrides();
    let key = "collectors.process.top_n".to_owned();
    said.push(Override { flag: "top".to_owned(), key, value: PROCESSES.to_owned() });
    let nothing = BTreeMap::<String, String>::new();
    Ok(config::resolve(&collectors::schemas(), None, &nothing, &said)?.config)
}

/// A panic of a collector is caught and told elsewhere: the terminal is given back for one of this thread alone.
fn of_this_thread_only() {
    let own = std::thread::current().id();
    let restore = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == own {
            restore(info);
        }
    }));
}

fn watch(
    mut terminal: DefaultTerminal,
    measuring: &Measuring,
    interval: Duration,
    told_to_stop: &AtomicBool,
) -> std::io::Result<()> {
    let host = measuring.resource.get("host.name").unwrap_or("this host");
    let mut order = Order::Cpu;
    let mut before: Option<Arc<Snapshot>> = None;
    loop {
        let now = measuring.sampler.snapshot(BUDGET);
        let mut model = Model::of(host, &now, before.as_deref());
        // Rates come with the second reading, and nobody wants to wait for them.
        let wait = if before.is_some() { interval } else { LEAST };
        before = Some(now);
        let next = Instant::now() + wait;
        loop {
            model.sort(order);
            terminal.draw(|frame| view::draw(frame, &model, order))?;
            match asked(next, told_to_stop)? {
                Asked::Nothing => break,
                Asked::Draw => {}
                Asked::Sort(by) => order = by,
                Asked::Quit => return Ok(()),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Draw,
    Sort(Order),
    Quit,
}

/// What the user wants before the next reading.
fn asked(next: Instant, told_to_stop: &AtomicBool) -> std::io::Result<Asked> {
    loop {
        if told_to_stop.load(Ordering::Relaxed) {
            return Ok(Asked::Quit);
        }
        let left = next.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Asked::Nothing);
        }
        if event::poll(left.min(GLANCE))? {
            match event::read()? {
                Event::Key(key) => {
                    if let Some(asked) = meant(key) {
                        return Ok(asked);
                    }
                }
                Event::Resize(..) => return Ok(Asked::Draw),
                _ => {}
            }
        }
    }
}

fn meant(key: KeyEvent) -> Option<Asked> {
    // Windows tells of the release as well.
    if key.kind != KeyEventKind::Press {
        return None;
    }
    match key.code {
        KeyCode::Char('c' | 'C') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Asked::Quit),
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Asked::Quit),
        KeyCode::Char('c' | 'C') => Some(Asked::Sort(Order::Cpu)),
        KeyCode::Char('m' | 'M') => Some(Asked::Sort(Order::Memory)),
        KeyCode::Char('i' | 'I') => Some(Asked::Sort(Order::Io)),
        _ => None,
    }
}

/// True once a signal has come: without it that would leave the terminal as it is.
fn signals() -> Result<Arc<AtomicBool>, Failure> {
    let told = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("the runtime")?;
    let tell = Arc::clone(&told);
    let listen = move || {
        runtime.block_on(async {
            if let Ok(mut signals) = Signals::catch() {
                signals.next().await;
                tell.store(true, Ordering::Relaxed);
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).context("a thread")?;
    Ok(told)
}
