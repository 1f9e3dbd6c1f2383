//! The TCP sockets of this machine that matter to a supervisor: who listens where, and who is at the other end of a
//! connection. Impure: asks the kernel (`socket_diag`), or reads its list (`socket_list`) where it does not answer.
//!
//! Elsewhere than on Linux there is neither: observing is an error of kind `Unsupported`, and callers do without.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// Its own end. An IPv4-mapped address is shown as the IPv4 address that it is; the IPv6 wildcard stays `[::]`.
    pub local: SocketAddr,
    /// The other end; a wildcard and port 0 while listening.
    pub remote: SocketAddr,
    /// What it is doing.
    pub state: SocketState,
    /// The kernel's number of the socket; 0 when no process holds it (any more, or yet).
    pub inode: u64,
    /// It is known not to take IPv4. The list does not say, so that `false` may mean unknown.
    pub is_v6_only: bool,
}

/// What a socket is doing, as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketState {
    /// Takes connections.
    Listening,
    /// Connected.
    Established,
    /// Coming or going.
    Other,
}

/// The sockets that listen on any of `ports`, on whatever address; IPv4 first.
pub fn observe_listeners(ports: &[u16]) -> io::Result<Vec<Socket>> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(listeners_in(&*world, ports));
    }
    listeners(ports)
}

/// The same in a simulated world.
#[cfg(debug_assertions)]
fn listeners_in(world: &dyn crate::base::world::World, ports: &[u16]) -> Vec<Socket> {
    let socket = |listener: crate::base::world::Listener| Socket {
        local: listener.local,
        remote: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        state: SocketState::Listening,
        inode: listener.inode,
        is_v6_only: false,
    };
    world.listeners().into_iter().map(socket).filter(|socket| ports.contains(&socket.local.port())).collect()
}

#[cfg(linux_calls)]
fn listeners(ports: &[u16]) -> io::Result<Vec<Socket>> {
    let wanted = |socket: &Socket| socket.state == SocketState::Listening && ports.contains(&socket.local.port());
    match super::socket_diag::listeners() {
        Ok(mut all) => {
            all.retain(wanted);
            Ok(all)
        }
        // A kernel without sock_diag, or a sandbox that forbids netlink.
        Err(_) => super::socket_list::observe_sockets(wanted),
    }
}

/// The ports on this machine that somebody is connected to, on whatever address: each once, ascending. Of a connection between
/// two of this machine's processes only the end that listened counts, unless a client has a port of the same number.
pub fn observe_connected_ports() -> io::Result<Vec<u16>> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(world.connected_ports());
    }
    connected_ports()
}

#[cfg(linux_calls)]
fn connected_ports() -> io::Result<Vec<u16>> {
    let is_connected = |socket: &Socket| socket.state == SocketState::Established;
    let sockets = match super::socket_diag::connected() {
        Ok(all) => all,
        Err(_) => super::socket_list::observe_sockets(is_connected)?,
    };
    let mut ports: Vec<u16> =
        sockets.iter().filter(|one| is_connected(one)).map(|socket| socket.local.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// The other end, on this machine, of our own connection from `client` to `server`. `None` if it is closed, or was never
/// taken by anyone.
pub fn observe_server_end(server: SocketAddr, client: SocketAddr) -> io::Result<Option<Socket>> {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return Ok(None);
    }
    server_end(server, client)
}

#[cfg(linux_calls)]
fn server_end(server: SocketAddr, client: SocketAddr) -> io::Result<Option<Socket>> {
    let is_it = |socket: &Socket| socket.inode != 0 && socket.local == server && socket.remote == client;
    match super::socket_diag::receiver(server, client) {
        Ok(found) => Ok(found.filter(is_it)),
        Err(_) => Ok(super::socket_list::observe_sockets(is_it)?.first().copied()),
    }
}

/// Unsupported here.
#[cfg(not(linux_calls))]
fn listeners(_ports: &[u16]) -> io::Result<Vec<Socket>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Unsupported here.
#[cfg(not(linux_calls))]
fn connected_ports() -> io::Result<Vec<u16>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Unsupported here.
#[cfg(not(linux_calls))]
fn server_end(_server: SocketAddr, _client: SocketAddr) -> io::Result<Option<Socket>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The listeners among `sockets` that the kernel would have asked about a connection to `to`: the nearest kind of match
/// that there is (inet_lookup_listener: the exact address, then the wildcard of its family, then, for IPv4, the IPv6
/// wildcard). Several share one kind only by SO_REUSEPORT, and then any may have answered.
pub fn answering(sockets: &[Socket], to: SocketAddr) -> Vec<Socket> {
    let ip = to.ip().to_canonical();
    let own_wildcard = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    [ip, own_wildcard, Ipv6Addr::UNSPECIFIED.into()]
        .into_iter()
        .map(|wanted: IpAddr| {
            let takes = |socket: &&Socket| {
                socket.state == SocketState::Listening
                    && socket.local == SocketAddr::new(wanted, to.port())
                    && (ip.is_ipv6() || !socket.is_v6_only)
            };
            sockets.iter().filter(takes).copied().collect::<Vec<_>>()
        })
        .find(|matching| !matching.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::weaker::weaker;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "real connections to be found")]
    fn a_port_is_connected_while_somebody_is_connected_to_it() {
        if weaker("whether a service is in use") {
            assert_eq!(observe_connected_ports().unwrap_err().kind(), io::ErrorKind::Unsupported);
            return;
        }
        for (bound, reached) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1"), ("::", "::1")] {
            let listener = std::net::TcpListener::bind((bound, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let is_connected = || observe_connected_ports().unwrap().contains(&port);
            assert!(!is_connected(), "{bound}");
            let client = std::net::TcpStream::connect((reached, port)).unwrap();
            let (server, _) = listener.accept().unwrap();
            assert!(is_connected(), "{bound} by {reached}");
            // To drop them is not enough: a child that another test forks has copies until it calls exec.
            for end in [&client, &server] {
                end.shutdown(std::net::Shutdown::Both).unwrap();
            }
            assert!(!is_connected(), "{bound}: closed by both");
        }
    }

    #[test]
    fn the_nearest_kind_of_listener_answers() {
        let socket = |local: &str, state, inode, is_v6_only| Socket {
            local: local.parse().expect("an address"),
            remote: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
            state,
            inode,
            is_v6_only,
        };
        let listening = |local: &str, inode| socket(local, SocketState::Listening, inode, false);
        let all = [
            listening("127.0.0.1:1", 1),
            listening("0.0.0.0:1", 2),
            listening("[::]:1", 3),
            listening("0.0.0.0:2", 4),
            listening("[::]:2", 5),
            listening("[::]:3", 6),
            listening("[::]:3", 7),
            listening("0.0.0.0:4", 8),
            listening("127.0.0.2:5", 9),
            listening("[::1]:6", 10),
            socket("127.0.0.1:7", SocketState::Established, 11, false),
            socket("[::]:8", SocketState::Listening, 12, true),
        ];
        let check = |to: &str, expected: &[u64]| {
            let got: Vec<u64> =
                answering(&all, to.parse().expect("an address")).iter().map(|socket| socket.inode).collect();
            assert_eq!(got, expected, "{to}");
        };
        check("127.0.0.1:1", &[1]);
        check("[::ffff:127.0.0.1]:1", &[1]);
        check("127.0.0.9:1", &[2]);
        check("[::1]:1", &[3]);
        check("127.0.0.1:2", &[4]);
        check("127.0.0.1:3", &[6, 7]);
        check("[::1]:3", &[6, 7]);
        check("[::1]:4", &[]);
        check("127.0.0.1:5", &[]);
        check("127.0.0.1:6", &[]);
        check("127.0.0.1:7", &[]);
        check("127.0.0.1:8", &[]);
        check("[::1]:8", &[12]);
    }
}
