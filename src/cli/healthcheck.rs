//! `hostmeter healthcheck`: does the agent beside this process answer? For probes in images without curl.

use crate::config::Prometheus;

use super::arguments::Arguments;
use super::ask::{There, ask, url};
use super::{Failure, configuration, print};

/// What says that the first collection is done.
const READY: &str = "/-/ready";

/// Asks the endpoint of the configuration, or another one; good where it is ready.
pub(super) fn healthcheck(arguments: &Arguments, other: Option<&str>) -> Result<(), Failure> {
    let url = match other {
        Some(url) => url.to_owned(),
        None => own(&configuration::load(arguments)?.config.prometheus)?,
    };
    let verdict = ask(&url).and_then(judge);
    match verdict {
        Ok(text) => print(&format!("{url}: {text}\n")),
        Err(problem) => Err(Failure::Running(anyhow::anyhow!("{url}: {problem}"))),
    }
}

fn own(config: &Prometheus) -> Result<String, Failure> {
    if config.enabled {
        return Ok(url(config, READY));
    }
    let why = "prometheus.enabled is false, so there is no endpoint to ask; let the probe watch the process";
    Err(Failure::Running(anyhow::anyhow!(why)))
}

fn judge(there: There) -> Result<String, String> {
    match there {
        There::Http(200..300, text) => Ok(text.trim().escape_debug().to_string()),
        // Whoever asks for a password, or for TLS, is there and answers.
        There::Http(status @ (401 | 403), _) => Ok(format!("answers with {status}: it wants a password")),
        There::Tls => Ok("answers, by TLS".to_owned()),
        There::Http(status, text) => Err(format!("answers with {status}: {}", text.trim().escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_is_there_unless_it_is_not_ready() {
        assert_eq!(judge(There::Http(200, "ready\n".to_owned())), Ok("ready".to_owned()));
        assert!(judge(There::Http(401, String::new())).is_ok());
        assert!(judge(There::Tls).is_ok());
        let problem = judge(There::Http(503, "the first collection\n".to_owned())).unwrap_err();
        assert_eq!(problem, "answers with 503: the first collection");
        assert!(judge(There::Http(404, String::new())).is_err());
    }
}
