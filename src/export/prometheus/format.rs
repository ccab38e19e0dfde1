//! What a reader of the page can read: `Accept`, by Prometheus' "Content negotiation" and RFC 9110.
//!
//! Who asks for nothing that we have gets text 0.0.4, which everybody reads, rather than no metrics at all.

use hyper::header::{self, HeaderMap, HeaderValue};

use super::names::Escaping;

/// A format, as the answer's `Content-Type` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    /// The text format that names itself 0.0.4.
    #[default]
    Text,
    /// The same with a choice of how names are escaped.
    Text1(Escaping),
    /// OpenMetrics before it had a version.
    OpenMetrics0,
    /// OpenMetrics 1.0.0.
    OpenMetrics1(Escaping),
}

/// What of a format makes the page another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Shape {
    pub(super) open_metrics: bool,
    pub(super) escaping: Escaping,
}

impl Format {
    /// The best of what `Accept` asks for.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Format::default());
        for value in headers.get_all(header::ACCEPT) {
            for item in value.to_str().unwrap_or_default().split(',') {
                if let Some((weight, format)) = wish(item)
                    && weight > best.0
                {
                    best = (weight, format);
                }
            }
        }
        best.1
    }

    pub(super) fn shape(self) -> Shape {
        let open_metrics = matches!(self, Self::OpenMetrics0 | Self::OpenMetrics1(_));
        Shape { open_metrics, escaping: self.escaping().unwrap_or_default() }
    }

    fn escaping(self) -> Option<Escaping> {
        match self {
            Self::Text | Self::OpenMetrics0 => None,
            Self::Text1(escaping) | Self::OpenMetrics1(escaping) => Some(escaping),
        }
    }

    /// The `Content-Type`: of our own words only, whatever the reader has written.
    pub(super) fn content_type(self) -> HeaderValue {
        let kind = match self {
            Self::Text => "text/plain; version=0.0.4",
            Self::Text1(_) => "text/plain; version=1.0.0",
            Self::OpenMetrics0 => "application/openmetrics-text; version=0.0.1",
            Self::OpenMetrics1(_) => "application/openmetrics-text; version=1.0.0",
        };
        let escaping = self.escaping().map(|escaping| format!("; escaping={}", escaping.name()));
        let text = format!("{kind}; charset=utf-8{}", escaping.unwrap_or_default());
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("text/plain"))
    }
}

/// One item of `Accept` that we can fulfil, and how much it is wanted.
fn wish(item: &str) -> Option<(f32, Format)> {
    let mut parts = item.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let (mut weight, mut version, mut escaping) = (1.0, "", Escaping::default());
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "q" => weight = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
            "version" => version = value,
            "escaping" => escaping = Escaping::of(value).unwrap_or_default(),
            _ => {}
        }
    }
    let format = match (kind.as_str(), version) {
        ("text/plain", "" | "0.0.4") | ("text/*" | "*/*", _) => Format::Text,
        ("text/plain", "1.0.0") => Format::Text1(escaping),
        ("application/openmetrics-text", "" | "0.0.1") => Format::OpenMetrics0,
        ("application/openmetrics-text", "1.0.0") => Format::OpenMetrics1(escaping),
        _ => return None,
    };
    Some((weight, format))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn negotiated(accept: &str) -> String {
        let headers = [(header::ACCEPT, HeaderValue::from_str(accept).unwrap())].into_iter().collect();
        Format::negotiate(&headers).content_type().to_str().unwrap().to_owned()
    }

    #[test]
    fn every_reader_gets_the_best_that_he_reads() {
        let text = "text/plain; version=0.0.4; charset=utf-8";
        for (accept, content_type) in [
            // Prometheus 3.5.3
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            // Prometheus 2.42.0
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            ("application/openmetrics-text", "application/openmetrics-text; version=0.0.1; charset=utf-8"),
            (
                "text/plain;version=1.0.0;escaping=dots",
                "text/plain; version=1.0.0; charset=utf-8; escaping=dots",
            ),
            (
                "TEXT/PLAIN; version=\"1.0.0\"",
                "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            // A browser, curl, one who wants what we do not have, and nonsense.
            ("text/html,application/xhtml+xml,*/*;q=0.8", text),
            ("*/*", text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                text,
            ),
            ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", text),
            ("application/openmetrics-text;version=1.0.0;q=0, text/plain", text),
            ("application/openmetrics-text;q=much", text),
            ("", text),
        ] {
            assert_eq!(negotiated(accept), content_type, "{accept}");
        }
        assert_eq!(Format::negotiate(&HeaderMap::new()), Format::Text);
    }

    proptest! {
        #[test]
        fn nothing_of_the_readers_words_comes_back(accept in "[ -~]{0,80}") {
            let known = ["plain", "openmetrics-text"].iter().flat_map(|kind| {
                ["0.0.4", "0.0.1", "1.0.0"].map(|version| format!("{kind}; version={version}; charset=utf-8"))
            });
            let found = negotiated(&accept);
            prop_assert!(known.into_iter().any(|known| found.contains(&known)), "{}", found);
        }
    }
}
