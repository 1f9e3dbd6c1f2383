//! A http probe: an absolute address that leads where it may, and the status that counts.

use http::Uri;
use std::net::{IpAddr, Ipv6Addr};

use super::{Trial, asked_number, integer_within, non_empty};
use crate::config::HealthcheckHosts;
use crate::service::Probe;
use crate::service::limits::{STATUS_MAX, STATUS_MIN};
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};

const URL_HELP: &str = "give an absolute address, such as \"http://localhost:3000/health\"";

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Probe {
    let url = url(trial, fields);
    let expect_status = status(trial, fields);
    Probe::Http { url, expect_status }
}

fn url(trial: &mut Trial<'_>, fields: &Fields<'_>) -> String {
    let spot = fields.place("url");
    let Some(url) = non_empty(fields.get("url").as_ref()) else {
        let message = format!("the healthcheck of {} has no address", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckUrlMissing, message, URL_HELP);
        return String::new();
    };
    let name = || shown(&url);
    if url.contains('\0') {
        let message = format!("the address of the healthcheck of {} holds a NUL character", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckUrlHasNul, message, "take the NUL out");
    } else if !is_absolute(&url) {
        let message = format!("the address {} of the healthcheck of {} is not absolute", name(), trial.notes.who());
        trial.fail(&spot, Code::HealthcheckUrlNotAbsolute, message, URL_HELP);
    } else {
        match host_of(&url) {
            None => {
                let message = format!("the address {} of the healthcheck of {} is none", name(), trial.notes.who());
                trial.fail(&spot, Code::HealthcheckUrlInvalid, message, URL_HELP);
            }
            Some(host) if leads_away(trial, &host) => {
                let message = format!(
                    "the address {} of the healthcheck of {} leads to another machine",
                    name(),
                    trial.notes.who()
                );
                let help = "probe the service itself, at localhost, 127.0.0.1 or [::1]";
                trial.fail(&spot, Code::HealthcheckUrlNotLoopback, message, help);
            }
            Some(_) => warn_of_tls(trial, &spot, &url),
        }
    }
    url.into_owned()
}

/// A https address is well-formed, but the program has no TLS (docs/design/health.md).
fn warn_of_tls(trial: &mut Trial<'_>, spot: &Spot<'_>, url: &str) {
    if url.get(..6).is_none_or(|head| !head.eq_ignore_ascii_case("https:")) {
        return;
    }
    let message = format!("the https address of the healthcheck of {} cannot be probed", trial.notes.who());
    let help = "use a http address, or a command such as `curl -fsS`".to_owned();
    trial.notes.warn((spot, spot.span()), Code::HealthcheckHttps, message, help);
}

fn is_absolute(url: &str) -> bool {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

/// The host of an address that the probe's client takes; `None` if it does not, or the port is none.
fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let host = authority.host().to_owned();
    let after_user = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, rest)| rest);
    // What stands behind the host is nothing, or a colon and a port; the parser is content with less.
    let port = after_user.strip_prefix(host.as_str())?;
    let is_port =
        port.is_empty() || port.strip_prefix(':').and_then(|digits| digits.parse::<u16>().ok()).is_some_and(|n| n > 0);
    (is_port && !host.is_empty() && host != "[]").then_some(host)
}

/// With healthcheckHosts `loopback`: whether `host` is an address that is not this machine's. Names other than
/// localhost are judged where they are resolved, when the probe is made.
fn leads_away(trial: &Trial<'_>, host: &str) -> bool {
    if trial.judge.settings.healthcheck_hosts == HealthcheckHosts::Any {
        return false;
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        // The unspecified address is asked over loopback.
        Ok(address) if address.is_unspecified() => false,
        Ok(IpAddr::V4(address)) => !address.is_loopback(),
        Ok(IpAddr::V6(address)) => !is_loopback_v6(address),
        Err(_) => false,
    }
}

fn is_loopback_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
}

fn status(trial: &mut Trial<'_>, fields: &Fields<'_>) -> u16 {
    let help = format!("give the status that means healthy, from {STATUS_MIN} to {STATUS_MAX}, such as 200");
    let Some(spot) = fields.get("expect_status") else {
        let message = format!("the healthcheck of {} does not say which status counts", trial.notes.who());
        trial.fail(&fields.place("expect_status"), Code::HealthcheckExpectStatusMissing, message, help);
        return 200;
    };
    asked_number(&spot).and_then(|number| integer_within(number, STATUS_MIN, STATUS_MAX)).unwrap_or_else(|| {
        let text = shown(&spot.node.js_string());
        let message = format!("`expect_status` of the healthcheck of {} is {text}", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckExpectStatusInvalid, message, help);
        200
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_the_client_takes_with_a_port_that_exists() {
        let check = |url: &str, expected: Option<&str>| assert_eq!(host_of(url).as_deref(), expected, "{url}");
        check("http://localhost:3001/health", Some("localhost"));
        check("HTTP://LOCALHOST", Some("LOCALHOST"));
        check("http://[::1]:80/", Some("[::1]"));
        check("http://u:p@h:1/?q#f", Some("h"));
        for bad in [
            "http://",
            "http:///x",
            "http://h:0/",
            "http://h:65536/",
            "http://h:x/",
            "http://h:/",
            "http://a b/",
            "http://[::1/",
        ] {
            check(bad, None);
        }
    }
}
