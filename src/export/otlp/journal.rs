//! What the log and the status page are told: a line for each change of state, a summary every five minutes of
//! an outage, and nothing in between.

use std::time::{Duration, Instant};

use tracing::Level;

use super::answer::Accepted;
use super::credentials::News;
use super::hint::{Trouble, shown};

/// Between two summaries of one outage.
const SUMMARY: Duration = Duration::from_mins(5);

/// Between two lines on batches that were refused, or refused in part, while others are taken.
const MINUTE: Duration = Duration::from_mins(1);

/// A line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub level: Level,
    pub text: String,
}

impl Line {
    fn new(level: Level, text: String) -> Self {
        Self { level, text }
    }

    pub(super) fn write(&self) {
        if self.level == Level::WARN {
            tracing::warn!("{}", self.text);
        } else {
            tracing::info!("{}", self.text);
        }
    }
}

/// The state of the connection.
#[derive(Debug)]
enum State {
    New,
    Delivering,
    Out { since: Instant, told: Instant },
}

/// Says what is new.
#[derive(Debug)]
pub(super) struct Journal {
    endpoint: String,
    state: State,
    /// The state in a sentence.
    pub(super) sentence: String,
    given_up: Sometimes,
    rejected: Sometimes,
}

impl Journal {
    pub(super) fn new(endpoint: String) -> Self {
        let sentence = format!("nothing sent to {endpoint} yet");
        let sometimes = Sometimes { told: None, points: 0 };
        Self { endpoint, state: State::New, sentence, given_up: sometimes, rejected: sometimes }
    }

    /// A batch was taken; `waiting` others are left.
    pub(super) fn delivered(&mut self, now: Instant, waiting: u64) -> Option<Line> {
        let endpoint = &self.endpoint;
        let text = match self.state {
            State::Delivering => return None,
            State::New => format!("delivering to {endpoint}"),
            State::Out { since, .. } => {
                let seconds = now.saturating_duration_since(since).as_secs();
                format!(
                    "delivering to {endpoint} again after {seconds} s; {} were kept",
                    batches(waiting + 1)
                )
            }
        };
        self.state = State::Delivering;
        "delivering".clone_into(&mut self.sentence);
        Some(Line::new(Level::INFO, text))
    }

    /// A batch was not taken; `waiting` are left, and `meanwhile` says what becomes of them.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        trouble: &Trouble,
        meanwhile: &str,
        waiting: u64,
    ) -> Option<Line> {
        self.sentence = format!("waiting: {trouble}");
        let endpoint = &self.endpoint;
        let (level, text) = match &mut self.state {
            State::New => (Level::INFO, format!("waiting for {endpoint}: {trouble}; {meanwhile}")),
            State::Delivering => (Level::WARN, format!("{endpoint} takes no more: {trouble}; {meanwhile}")),
            State::Out { told, .. } if now.saturating_duration_since(*told) < SUMMARY => return None,
            State::Out { since, told } => {
                *told = now;
                let minutes = now.saturating_duration_since(*since).as_secs() / 60;
                let kept = batches(waiting);
                (Level::WARN, format!("waiting for {endpoint} for {minutes} min: {trouble}; {kept} are kept"))
            }
        };
        if !matches!(self.state, State::Out { .. }) {
            self.state = State::Out { since: now, told: now };
        }
        Some(Line::new(level, text))
    }

    /// A batch was refused for good, while others may be taken.
    pub(super) fn given_up(&mut self, now: Instant, trouble: &Trouble, points: u64) -> Option<Line> {
        let points = self.given_up.due(now, points)?;
        Some(Line::new(Level::WARN, format!("{points} points were refused and are given up: {trouble}")))
    }

    /// A batch was taken but for some points.
    pub(super) fn rejected(&mut self, now: Instant, accepted: &Accepted) -> Option<Line> {
        if accepted.rejected == 0 && accepted.message.is_empty() {
            return None;
        }
        let points = self.rejected.due(now, accepted.rejected)?;
        let words = shown(&accepted.message);
        Some(Line::new(Level::WARN, format!("{points} points were rejected; the peer says \"{words}\"")))
    }

    /// The files that hold credentials have changed.
    pub(super) fn credentials(&self, news: &News) -> Line {
        let endpoint = &self.endpoint;
        match news {
            News::Renewed => Line::new(Level::INFO, format!("new credentials for {endpoint}")),
            News::Kept(problem) => {
                Line::new(Level::WARN, format!("the credentials for {endpoint} stay as they were: {problem}"))
            }
        }
    }
}

fn batches(count: u64) -> String {
    if count == 1 { "1 batch".to_owned() } else { format!("{count} batches") }
}

/// Adds up what is told at most once a minute.
#[derive(Debug, Clone, Copy)]
struct Sometimes {
    told: Option<Instant>,
    points: u64,
}

impl Sometimes {
    fn due(&mut self, now: Instant, points: u64) -> Option<u64> {
        self.points += points;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < MINUTE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.points))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "data is kept meanwhile";

    fn refused() -> Trouble {
        Trouble { problem: "connection refused".to_owned(), advice: "no Collector listens there (yet)" }
    }

    fn journal() -> (Journal, Instant) {
        (Journal::new("http://c:4317".to_owned()), Instant::now())
    }

    #[test]
    fn a_start_without_a_collector_says_once_that_it_waits() {
        let (mut journal, now) = journal();
        let line = journal.failed(now, &refused(), KEPT, 1).unwrap();
        let text = "waiting for http://c:4317: connection refused: no Collector listens there (yet); data is kept meanwhile";
        assert_eq!(line, Line::new(Level::INFO, text.to_owned()));
        for second in 1..300 {
            assert_eq!(journal.failed(now + Duration::from_secs(second), &refused(), KEPT, second), None);
        }
        let line = journal.delivered(now + Duration::from_secs(299), 19).unwrap();
        assert_eq!(line.text, "delivering to http://c:4317 again after 299 s; 20 batches were kept");
        assert_eq!(journal.sentence, "delivering");
    }

    #[test]
    fn an_hour_of_outage_is_twelve_lines_and_the_two_changes() {
        let (mut journal, now) = journal();
        assert_eq!(journal.delivered(now, 0).unwrap().text, "delivering to http://c:4317");
        let at = |second| now + Duration::from_secs(second);
        let lines: Vec<Line> =
            (1..=3600).filter_map(|s| journal.failed(at(s), &refused(), KEPT, s / 15)).collect();
        assert_eq!(lines.len(), 12);
        assert!(lines[0].text.starts_with("http://c:4317 takes no more: connection refused"));
        assert_eq!(
            lines[1].text,
            "waiting for http://c:4317 for 5 min: connection refused: no Collector listens there (yet); 20 batches are kept"
        );
        assert!(journal.delivered(at(3601), 0).is_some());
        assert!(journal.delivered(at(3602), 0).is_none());
    }

    #[test]
    fn refused_and_rejected_points_are_added_up_and_told_once_a_minute() {
        let (mut journal, now) = journal();
        assert!(journal.given_up(now, &refused(), 5).unwrap().text.starts_with("5 points"));
        assert!(journal.given_up(now + Duration::from_secs(59), &refused(), 6).is_none());
        assert!(journal.given_up(now + MINUTE, &refused(), 7).unwrap().text.starts_with("13 points"));
        let accepted = Accepted { rejected: 2, message: "too old\u{1b}[2J".to_owned() };
        let line = journal.rejected(now, &accepted).unwrap();
        assert_eq!(line.text, "2 points were rejected; the peer says \"too old\\u{1b}[2J\"");
        assert!(journal.rejected(now, &Accepted::default()).is_none());
    }
}
