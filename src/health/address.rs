//! Whom a http probe asks: the parts of its URL, and the addresses of its host. Impure: other hosts than literal
//! addresses and `localhost` are looked up by the system's resolver.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use ureq::http::Uri;

use crate::base::excerpt::excerpt;
use crate::config::HealthcheckHosts;

use super::Failure;

/// How much of a URL or host is shown in a sentence.
const SHOWN_CHARS_MAX: usize = 200;
/// How many addresses of one host are tried.
const ADDRESSES_MAX: usize = 8;

/// A http URL taken apart.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    /// As written, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Takes `url` apart. Characters that a browser would percent-encode are encoded. The failures are for good: such a
/// probe can never pass.
pub(super) fn parse(url: &str) -> Result<Endpoint, Failure> {
    let invalid = || Failure::new(format!("`{}` is no http address", excerpt(url, SHOWN_CHARS_MAX)));
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
    if scheme.eq_ignore_ascii_case("https") {
        return Err(Failure::new(
            "https probes are not supported (this program has no TLS): give a http:// address on loopback, or a command \
             healthcheck such as `curl`",
        ));
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(invalid());
    }
    let uri: Uri = format!("http://{}", encoded(rest)).parse().map_err(|_| invalid())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
    // The parser takes any digits for a port, and then has none.
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let after_host = authority.rsplit('@').next().and_then(|rest| rest.strip_prefix(host)).ok_or_else(invalid)?;
    let port = match after_host.strip_prefix(':').unwrap_or_default() {
        "" => 80,
        digits => digits.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?,
    };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host).to_owned();
    Ok(Endpoint { uri, host, port })
}

/// `rest` (all after `://`) without its fragment, percent-encoded where a URL must be and people's are not.
fn encoded(rest: &str) -> String {
    let rest = rest.split('#').next().unwrap_or_default();
    let mut out = String::with_capacity(rest.len());
    for byte in rest.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^' | b'\\' | 0..=b' ' | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            plain => out.push(char::from(plain)),
        }
    }
    out
}

impl Endpoint {
    /// The address if it takes no resolver to know it: `localhost` (and names below it, RFC 6761) is 127.0.0.1, then
    /// ::1; a literal is itself, and the wildcard is where connecting to it leads: loopback.
    pub(super) fn known_addresses(&self) -> Option<Vec<SocketAddr>> {
        let host = self.host.strip_suffix('.').unwrap_or(&self.host).to_ascii_lowercase();
        if host == "localhost" || host.ends_with(".localhost") {
            let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Some(both.map(|ip| SocketAddr::new(ip, self.port)).to_vec());
        }
        let literal = host.parse::<IpAddr>().ok()?.to_canonical();
        let ip = match literal {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(_) | IpAddr::V6(_) => literal,
        };
        Some(vec![SocketAddr::new(ip, self.port)])
    }

    /// The addresses to ask, at least one, at most eight.
    pub(super) fn observe_addresses(&self, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(known) = self.known_addresses() {
            return Ok(known);
        }
        let shown = excerpt(&self.host, SHOWN_CHARS_MAX);
        match look_up(self.host.clone(), self.port, limit) {
            Some(Ok(found)) if !found.is_empty() => Ok(found),
            Some(Ok(_)) => Err(Failure::new(format!("host `{shown}` has no address"))),
            Some(Err(error)) => Err(Failure::new(format!("host `{shown}` cannot be resolved: {error}"))),
            None => Err(Failure::new(format!("host `{shown}` was not resolved within {limit:?}"))),
        }
    }
}

/// Asks the system's resolver, for at most `limit`; `None` when it took longer. The resolver cannot be called off, so it
/// works in a thread of its own, which ends with the resolver's own time limit.
fn look_up(host: String, port: u16, limit: Duration) -> Option<std::io::Result<Vec<SocketAddr>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(|all| all.take(ADDRESSES_MAX).collect());
        // Nobody listens any more once the limit is over.
        sender.send(found).ok();
    };
    match std::thread::Builder::new().name("resolver".into()).spawn(work) {
        Ok(_detached) => receiver.recv_timeout(limit).ok(),
        Err(error) => Some(Err(error)),
    }
}

/// Refuses addresses that `hosts` does not allow.
pub(super) fn check_hosts(addresses: &[SocketAddr], hosts: HealthcheckHosts) -> Result<(), Failure> {
    let stranger = addresses.iter().find(|address| !is_loopback(address.ip()));
    match (hosts, stranger) {
        (HealthcheckHosts::Loopback, Some(stranger)) => Err(Failure::new(format!(
            "healthcheck-url-not-loopback: the probe would ask {stranger}, and `healthcheckHosts` is `loopback`"
        ))),
        (HealthcheckHosts::Any, _) | (HealthcheckHosts::Loopback, None) => Ok(()),
    }
}

/// Whether `ip` is this machine's loopback, IPv4-mapped addresses included.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_a_browser_would() {
        let check = |url: &str, expected: (&str, u16, &str)| {
            let got = parse(url).unwrap_or_else(|failure| panic!("{url}: {failure}"));
            let path = got.uri.path_and_query().map_or("", |path| path.as_str());
            assert_eq!((got.host.as_str(), got.port, path), expected, "{url}");
        };
        check("http://localhost:3001/health", ("localhost", 3001, "/health"));
        check("HTTP://Example.com", ("Example.com", 80, "/"));
        check("http://[::1]:8080/a?b=c#d", ("::1", 8080, "/a?b=c"));
        check("http://u:p@127.0.0.1:81/", ("127.0.0.1", 81, "/"));
        check(" http://h/a b\"é ", ("h", 80, "/a%20b%22%C3%A9"));
    }

    #[test]
    fn what_can_never_be_asked_is_refused_with_a_sentence() {
        let check = |url: &str, part: &str| {
            let failure = parse(url).expect_err(url);
            assert!(failure.sentence().contains(part), "{url}: {failure}");
        };
        check("https://localhost/", "no TLS");
        for bad in [
            "",
            "localhost:3000",
            "ftp://h/",
            "http://",
            "http://:80/",
            "http://h:99999/",
            "http://h:0/",
            "http://a b/",
        ] {
            check(bad, "is no http address");
        }
        check("ftp://u:secret@h/", "[redacted]@h/");
    }

    #[test]
    fn localhost_and_wildcards_are_loopback_without_a_resolver() {
        let check = |url: &str, expected: &[&str]| {
            let known = parse(url).expect("an address").known_addresses();
            let shown: Option<Vec<String>> = known.map(|all| all.iter().map(ToString::to_string).collect());
            let expected: Vec<String> = expected.iter().map(|&one| one.to_owned()).collect();
            assert_eq!(shown.unwrap_or_default(), expected, "{url}");
        };
        check("http://LOCALHOST:1/", &["127.0.0.1:1", "[::1]:1"]);
        check("http://app.localhost.:1/", &["127.0.0.1:1", "[::1]:1"]);
        check("http://0.0.0.0:1/", &["127.0.0.1:1"]);
        check("http://[::]:1/", &["[::1]:1"]);
        check("http://[::ffff:127.0.0.1]:1/", &["127.0.0.1:1"]);
        check("http://10.1.2.3:1/", &["10.1.2.3:1"]);
        check("http://localhost.example:1/", &[]);
    }

    #[test]
    fn only_loopback_is_asked_when_the_setting_says_so() {
        let check = |address: &str, hosts, good: bool| {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(check_hosts(&[address], hosts).is_ok(), good, "{address} {hosts:?}");
        };
        for (address, is_loopback) in
            [("127.0.0.1:1", true), ("127.9.9.9:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true)]
                .into_iter()
                .chain([("10.0.0.1:1", false), ("0.0.0.0:1", false), ("[::]:1", false), ("[fe80::1]:1", false)])
        {
            check(address, HealthcheckHosts::Any, true);
            check(address, HealthcheckHosts::Loopback, is_loopback);
        }
    }
}
