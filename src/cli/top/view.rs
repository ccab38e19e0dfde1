//! The screen: pure, from a [`Model`] to cells.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row as TableRow, Table};

use super::model::{Model, Order, Row, Traffic};
use crate::cli::table;

/// Wider bars tell no more.
const WIDEST_BAR: usize = 40;

/// What the parts of a bar look like; a terminal without colours tells them apart as well.
const LOOKS: [(&str, char, Color); 9] = [
    ("user", '█', Color::Green),
    ("nice", '█', Color::Blue),
    ("system", '▓', Color::Red),
    ("interrupt", '▓', Color::Magenta),
    ("steal", '▒', Color::Cyan),
    ("iowait", '░', Color::Yellow),
    ("used", '█', Color::Green),
    ("buffers", '▒', Color::Blue),
    ("cached", '░', Color::Yellow),
];

/// Draws everything that there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, order: Order) {
    let area = frame.area();
    let head = head(model, usize::from(area.width));
    // The table is what a small screen is for; of the head stays what fits above three of its lines.
    let room = area.height.saturating_sub(4).max(1);
    let lines = (head.len() as u16).min(room);
    let [above, below, foot] =
        Layout::vertical([Constraint::Length(lines), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(head), above);
    frame.render_widget(processes(model, order), below);
    let keys = " c CPU  m memory  i I/O: sort    q quit ";
    frame.render_widget(Paragraph::new(Line::from(keys).style(Modifier::DIM)), foot);
}

fn head(model: &Model, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title(model)];
    // What 80 columns leave beside the words.
    let bar = width.saturating_sub(70).clamp(10, WIDEST_BAR);
    let cpu: f64 = model.cpu.iter().map(|(_, share)| share).sum();
    let percents = |(name, share): &(String, f64)| (name.clone(), *share, percent(*share));
    let parts: Vec<_> = model.cpu.iter().map(percents).collect();
    lines.push(stacked("CPU", bar, &parts, (!parts.is_empty()).then(|| percent(cpu))));
    if let Some(limit) = model.memory_limit {
        let of = |(name, size): &(String, f64)| (name.clone(), size / limit.max(1.0), bytes(*size));
        let parts: Vec<_> = model.memory.iter().map(of).collect();
        lines.push(stacked("Mem", bar, &parts, Some(bytes(limit))));
    }
    if let Some((used, all)) = model.swap {
        lines.push(stacked(
            "Swap",
            bar,
            &[("used".to_owned(), used / all.max(1.0), bytes(used))],
            Some(bytes(all)),
        ));
    }
    lines.extend(traffic("Disk", "read", "write", &model.disks));
    lines.extend(traffic("Net", "in", "out", &model.networks));
    if !model.filesystems.is_empty() {
        let of =
            |(point, used, limit): &(String, f64, f64)| format!("{} {}", clean(point), percent(used / limit));
        lines.push(list("Space", model.filesystems.iter().take(4).map(of)));
    }
    if !model.pressure.is_empty() {
        lines.push(list(
            "Wait",
            model.pressure.iter().map(|(name, share)| format!("{name} {}", percent(*share))),
        ));
    }
    lines.push(Line::default());
    lines
}

fn title(model: &Model) -> Line<'static> {
    let mut parts = vec![format!("hostmeter {} on {}", env!("CARGO_PKG_VERSION"), clean(&model.host))];
    if let Some(up) = model.uptime {
        let whole = Duration::from_secs(up.as_secs() - up.as_secs() % 60);
        parts.push(format!("up {}", humantime::format_duration(whole)));
    }
    if !model.load.is_empty() {
        let load: Vec<_> = model.load.iter().map(|average| format!("{average:.2}")).collect();
        parts.push(format!("load {}", load.join(" ")));
    }
    parts.extend(model.cpus.map(|cpus| format!("{cpus} CPUs")));
    Line::from(parts.join(", ")).style(Modifier::BOLD)
}

fn label(name: &str) -> Span<'static> {
    Span::styled(format!("{name:<6}"), Color::Cyan)
}

/// A bar of several parts, and what each is.
fn stacked(name: &str, width: usize, parts: &[(String, f64, String)], sum: Option<String>) -> Line<'static> {
    let mut spans = vec![label(name), Span::raw("[")];
    let mut filled = 0;
    let mut upto = 0.0;
    for (part, share, _) in parts {
        upto += share.clamp(0.0, 1.0);
        // By where it ends, so that roundings do not add up.
        let end = ((upto * width as f64).round() as usize).min(width);
        let (look, style) = look(part);
        spans.push(Span::styled(look.to_string().repeat(end.saturating_sub(filled)), style));
        filled = filled.max(end);
    }
    spans.push(Span::raw(format!("{}] {:>8}", " ".repeat(width - filled), sum.unwrap_or_else(none))));
    for (part, _, value) in parts.iter().filter(|(_, share, _)| *share >= 0.0005) {
        spans.push(Span::styled(format!("  {} {part} ", look(part).0), look(part).1));
        spans.push(Span::raw(value.clone()));
    }
    Line::from(spans)
}

fn look(part: &str) -> (char, Style) {
    let found = LOOKS.iter().find(|(name, _, _)| *name == part);
    found.map_or(('█', Style::default()), |(_, look, color)| (*look, (*color).into()))
}

/// The two that move most.
fn traffic(name: &str, inward: &str, outward: &str, all: &[Traffic]) -> Option<Line<'static>> {
    let of = |one: &Traffic| {
        format!("{} {inward} {} {outward} {}", clean(&one.name), rate(one.inward), rate(one.outward))
    };
    (!all.is_empty()).then(|| list(name, all.iter().take(2).map(of)))
}

fn list(name: &str, items: impl Iterator<Item = String>) -> Line<'static> {
    Line::from(vec![label(name), Span::raw(items.collect::<Vec<_>>().join("   "))])
}

fn processes(model: &Model, order: Order) -> Table<'static> {
    let rows = model.rows.iter().map(|row: &Row| {
        TableRow::new([
            format!("{:>7}", row.pid.as_deref().unwrap_or("")),
            clean(&row.owner),
            format!("{:>7}", row.cpu.map_or_else(none, percent)),
            format!("{:>10}", row.memory.map_or_else(none, bytes)),
            format!("{:>12}", rate(row.io)),
            if row.pid.is_none() && row.name == "_other" {
                "all others".to_owned()
            } else {
                clean(&row.name)
            },
        ])
    });
    let mark = |title: &str, of: Order| if of == order { format!("{title}▼") } else { title.to_owned() };
    let titles = [
        format!("{:>7}", "PID"),
        "USER".to_owned(),
        format!("{:>7}", mark("CPU", Order::Cpu)),
        format!("{:>10}", mark("MEMORY", Order::Memory)),
        format!("{:>12}", mark("I/O", Order::Io)),
        "NAME".to_owned(),
    ];
    let widths = [7, 10, 7, 10, 12].map(Constraint::Length).into_iter().chain([Constraint::Min(8)]);
    Table::new(rows, widths).header(TableRow::new(titles).style(Modifier::REVERSED))
}

/// Names are the host's: what could be a command to the terminal is not shown.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn none() -> String {
    "-".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn bytes(size: f64) -> String {
    let (number, unit) = table::bytes(size);
    format!("{number} {unit}")
}

fn rate(bytes_per_second: Option<f64>) -> String {
    bytes_per_second.map_or_else(none, |rate| bytes(rate) + "/s")
}
