//! A http server that gets each event as a POST. Connections are kept and used again; there is a limit on every wait, and what
//! the server says beside its status is read only so far that the connection can be kept.

use std::io::{self, Read as _};
use std::time::Duration;

use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::Uri;

use crate::base::redact::Secrets;
use crate::config::{self, HeaderValue};
use crate::service::EnvVars;

use super::super::cloudevent::{MEDIA_TYPE, Message};
use super::{Refusal, Surroundings, words};

/// How much of an answer's body is read before the connection is given up.
const BODY_BYTES_MAX: u64 = 64 * 1024;
/// How long an answer's body may take: the status has decided.
const BODY_TIME_MAX: Duration = Duration::from_millis(250);
/// How much of an answer's head is read. Servers themselves stop at 8 to 64 KiB (nginx, Node, Apache).
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A kept connection is not used again after this: many servers close one that is idle for five seconds (Node's default).
const IDLE_MAX: Duration = Duration::from_secs(4);
/// So many redirects are followed, where the sink says so.
const REDIRECTS_MAX: usize = 3;
/// Conflict (RFC 9110, 15.5.10): a receiver that knows the event's id already has it (contract section 9).
const STATUS_KNOWN: u16 = 409;
/// Headers that are ours to say.
const OWN_HEADERS: [&str; 6] =
    ["content-length", "content-type", "connection", "host", "idempotency-key", "transfer-encoding"];

/// A webhook, ready to be asked.
pub(super) struct Webhook {
    agent: Agent,
    url: Uri,
    headers: Vec<(String, String)>,
    secrets: Secrets,
    redirects_max: usize,
    limit: Duration,
}

impl Webhook {
    /// Finds its secrets in the environment. A delivery may take `limit`, redirects included one by one.
    pub(super) fn new(target: &config::Webhook, around: Surroundings<'_>, limit: Duration) -> Result<Self, Refusal> {
        let invalid = |url: &str| Refusal::failed(format!("`{}` is no http address", words(&url)));
        let proxy = match &target.proxy {
            Some(url) => Some(ureq::Proxy::new(url).map_err(|_| invalid(url))?),
            None => None,
        };
        let config = Agent::config_builder()
            .proxy(proxy)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(limit))
            .timeout_recv_body(Some(BODY_TIME_MAX))
            .max_response_header_size(HEAD_BYTES_MAX)
            .max_idle_connections(1)
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("minions-managed/", env!("CARGO_PKG_VERSION")))
            .accept_encoding(AutoHeaderValue::None)
            .build();
        let headers = target.headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&&*name.to_ascii_lowercase()));
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| Ok((name.clone(), header(name, value, around.env)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            agent: Agent::new_with_config(config),
            url: target.url.parse().map_err(|_| invalid(&target.url))?,
            // A receiver may say again what it was told.
            secrets: around.secrets.clone().and(headers.iter().map(|(_, value)| value.clone())),
            headers,
            redirects_max: if target.follow_redirects { REDIRECTS_MAX } else { 0 },
            limit,
        })
    }

    /// One POST; a status from 200 to 299 means that it is taken, and so does 409.
    pub(super) fn send(&self, message: &Message) -> Result<(), Refusal> {
        let mut url = self.url.clone();
        for _ in 0..=self.redirects_max {
            let answer = self.post(&url, message)?;
            match (answer.status, answer.location) {
                (200..=299 | STATUS_KNOWN, _) => return Ok(()),
                (301 | 302 | 303 | 307 | 308, Some(next)) if self.redirects_max > 0 => {
                    url = joined(&url, &next).ok_or_else(|| self.redirected_nowhere(&next))?;
                }
                (300..=399, _) if self.redirects_max == 0 => {
                    let words = format!("it answered {}, and redirects are not followed", answer.status);
                    return Err(Refusal::failed(words));
                }
                (status, _) => return Err(Refusal::failed(format!("it answered {status}"))),
            }
        }
        Err(Refusal::failed(format!("it redirected more than {} times", self.redirects_max)))
    }

    fn post(&self, url: &Uri, message: &Message) -> Result<Answer, Refusal> {
        let mut request = self.agent.post(url.clone());
        // What is meant for one server is not told to another to which that one points.
        if authority(url) == authority(&self.url) {
            request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        }
        let request = request.header("content-type", MEDIA_TYPE).header("idempotency-key", &message.id);
        let mut response = request.send(&message.text).map_err(|error| self.explain(&error))?;
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let answer = Answer { status: response.status().as_u16(), location };
        let mut body = response.body_mut().as_reader().take(BODY_BYTES_MAX);
        // A body that stops, stalls or never ends changes nothing; its connection is not used again.
        io::copy(&mut body, &mut io::sink()).ok();
        Ok(answer)
    }

    fn redirected_nowhere(&self, next: &str) -> Refusal {
        let next = words(&self.secrets.hide(next));
        Refusal::failed(format!("it redirected to `{next}`, which is no http address"))
    }

    fn explain(&self, error: &ureq::Error) -> Refusal {
        #[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors are open-ended and speak for themselves")]
        match error {
            ureq::Error::Timeout(_) => Refusal::failed(format!("it did not answer within {:.1?}", self.limit)),
            ureq::Error::Io(error) => Refusal::because_of(error, format!("no answer: {}", words(error))),
            ureq::Error::HostNotFound => {
                Refusal::failed(format!("host `{}` has no address", words(&self.url.host().unwrap_or_default())))
            }
            ureq::Error::LargeResponseHeader(..) => {
                Refusal::failed(format!("it answered with more than {HEAD_BYTES_MAX} bytes of headers"))
            }
            other => Refusal::failed(format!("it did not answer in HTTP: {}", words(other))),
        }
    }
}

/// What matters of an answer.
struct Answer {
    status: u16,
    location: Option<String>,
}

fn header(name: &str, value: &HeaderValue, env: &EnvVars) -> Result<String, Refusal> {
    match value {
        HeaderValue::Text(text) => Ok(text.clone()),
        HeaderValue::Env(variable) => {
            let found = env.iter().find(|(key, _)| key == variable).map(|(_, value)| value.clone());
            let missing = || format!("the header `{name}` wants the variable `{variable}`, which is not set");
            let value = found.filter(|value| !value.is_empty()).ok_or_else(|| Refusal::Unready(missing()))?;
            let is_line = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            let odd =
                || format!("the header `{name}` wants the variable `{variable}`, which holds more than visible ASCII");
            is_line.then_some(value).ok_or_else(|| Refusal::Unready(odd()))
        }
    }
}

fn authority(url: &Uri) -> Option<String> {
    url.authority().map(|authority| authority.as_str().to_ascii_lowercase())
}

/// Where `next` leads from `url`: a http address, or a path of the same server. `None`: it is neither.
fn joined(url: &Uri, next: &str) -> Option<Uri> {
    let absolute = match next.strip_prefix("//") {
        Some(rest) => format!("http://{rest}"),
        None if next.starts_with('/') => {
            format!("http://{}{next}", url.authority().map_or("", |authority| authority.as_str()))
        }
        None => next.to_owned(),
    };
    let uri: Uri = absolute.parse().ok()?;
    (uri.scheme_str() == Some("http") && uri.host().is_some()).then_some(uri)
}
