//! One http probe: GET, no redirect followed, no proxy, one time limit over all phases, the body drained up to a bound.
//! Impure: opens connections.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::AutoHeaderValue;

use crate::base::clock::monotonic;
use crate::base::excerpt::excerpt;

use super::Failure;
use super::address::{Endpoint, is_loopback};
use super::proof::Ends;
use super::transport::{Handover, Resolved};

/// How much of an answer's body is read before the connection is closed. It is read only so that the server does not
/// see a reset; what it says does not matter.
const BODY_BYTES_MAX: u64 = 256 * 1024;
/// How long the body may take: an endpoint that streams for ever has answered with its status already.
const BODY_TIME_MAX: Duration = Duration::from_millis(250);
/// How much of an answer's head is read. Servers themselves stop at 8 to 64 KiB (nginx, Node, Apache).
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Less than this is no time to connect in; the limit of a probe is at least half a second.
const CONNECT_TIME_MIN: Duration = Duration::from_millis(10);
/// How much of a library's error text is shown.
const CAUSE_CHARS_MAX: usize = 200;

/// An open connection to one of the addresses, nothing sent yet.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Whom we reached, and from where.
    pub(super) ends: Ends,
}

/// Why there is no connection.
pub(super) enum ConnectFailure {
    /// Every address is loopback and refused: nobody listens there.
    Refused(Failure),
    /// Anything else.
    Failed(Failure),
}

/// Connects to the first of `addresses` that takes it, before `deadline`.
pub(super) fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<Connection, ConnectFailure> {
    let mut refused_by = Vec::new();
    let mut other = None;
    for (at, address) in addresses.iter().enumerate() {
        // What is left is shared by the addresses that are left, so that one black hole does not hide the next.
        let left = deadline.saturating_duration_since(monotonic());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(1);
        match connect_one(address, share.max(CONNECT_TIME_MIN)) {
            Ok(connection) => return Ok(connection),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refused_by.push(*address),
            // A machine without IPv6 has no ::1 to connect to, which each kernel says in another way; once 127.0.0.1 has
            // refused, that says nothing about the service.
            Err(error) if is_without_ipv6(address, &error) && !refused_by.is_empty() => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                other = Some(Failure::new(format!("no connection to {address} within {share:.1?}")));
            }
            Err(error) => {
                other = Some(Failure::because_of(&error, format!("cannot connect to {address}: {error}")));
            }
        }
    }
    match other {
        Some(failure) => Err(ConnectFailure::Failed(failure)),
        None => {
            let shown: Vec<String> = refused_by.iter().map(ToString::to_string).collect();
            let failure = Failure::new(format!("connection refused at {}", shown.join(" and ")));
            let nobody_listens = refused_by.iter().all(|address| is_loopback(address.ip()));
            Err(if nobody_listens { ConnectFailure::Refused(failure) } else { ConnectFailure::Failed(failure) })
        }
    }
}

fn is_without_ipv6(address: &SocketAddr, error: &io::Error) -> bool {
    address.is_ipv6() && is_loopback(address.ip()) && error.kind() != io::ErrorKind::TimedOut
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects")]
fn connect_one(address: &SocketAddr, limit: Duration) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(address, limit)?;
    // A connection to a free port of the ephemeral range can meet itself (TCP simultaneous open): nobody listens there.
    let local = stream.local_addr()?;
    if local == *address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(Connection { stream, ends: Ends { peer: *address, local } })
}

/// Sends the GET and waits for the status. `while_open` is called with the status once it is there and the connection
/// still open; what it returns is returned.
pub(super) fn ask<T>(
    connection: Connection,
    endpoint: &Endpoint,
    limit: Limit<'_>,
    while_open: impl FnOnce(u16) -> T,
) -> Result<T, Failure> {
    let peer = connection.ends.peer;
    let left = limit.deadline.saturating_duration_since(monotonic());
    let handover = Handover::new(connection.stream, limit.exit)
        .map_err(|error| Failure::because_of(&error, format!("cannot talk to {peer}: {error}")))?;
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(left))
        .timeout_recv_body(Some(BODY_TIME_MAX))
        .max_response_header_size(HEAD_BYTES_MAX)
        .max_idle_connections(0)
        .user_agent(concat!("minions-managed/", env!("CARGO_PKG_VERSION")))
        .accept_encoding(AutoHeaderValue::None)
        .build();
    let agent = Agent::with_parts(config, handover, Resolved(peer));
    let mut response = agent.get(endpoint.uri.clone()).call().map_err(|error| explain(&error, peer, limit.whole))?;
    let seen = while_open(response.status().as_u16());
    let mut body = response.body_mut().as_reader().take(BODY_BYTES_MAX);
    // The status has decided; a body that stops, stalls or never ends changes nothing.
    io::copy(&mut body, &mut io::sink()).ok();
    Ok(seen)
}

/// Until when, and what cuts it short.
#[derive(Clone, Copy)]
pub(super) struct Limit<'a> {
    pub(super) deadline: Instant,
    /// The whole time of the probe, for sentences.
    pub(super) whole: Duration,
    /// Readable when the service ends.
    pub(super) exit: Option<BorrowedFd<'a>>,
}

fn explain(error: &ureq::Error, peer: SocketAddr, whole: Duration) -> Failure {
    let cut = |cause: &dyn std::fmt::Display| excerpt(&cause.to_string(), CAUSE_CHARS_MAX);
    #[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors are open-ended and speak for themselves")]
    match error {
        ureq::Error::Timeout(_) => Failure::new(format!("{peer} accepted but did not answer within {whole:.1?}")),
        ureq::Error::Io(error) if is_hang_up(error) => {
            Failure::new(format!("{peer} closed the connection without an answer"))
        }
        ureq::Error::Io(error) => Failure::new(format!("no answer from {peer}: {}", cut(error))),
        ureq::Error::LargeResponseHeader(..) => {
            Failure::new(format!("{peer} answered with more than {HEAD_BYTES_MAX} bytes of headers"))
        }
        other => Failure::new(format!("{peer} did not answer in HTTP: {}", cut(other))),
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [UnexpectedEof, ConnectionReset, ConnectionAborted, BrokenPipe].contains(&error.kind())
}
