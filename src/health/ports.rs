//! Who holds the ports that a service wants (contract section 6). Impure: looks at sockets.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::base::excerpt::excerpt;
use crate::process::{Socket, observe_all_holders, observe_listeners, observe_portrait};
use crate::service::{Probe, Spec};

use super::address;

/// How much of a command line or folder is shown.
const SHOWN_CHARS_MAX: usize = 120;

/// A port on which somebody listens already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInUse {
    /// The port.
    pub port: u16,
    /// Where it is listened on; `None` where the system has no list and only a failed bind tells.
    pub address: Option<SocketAddr>,
    /// Who listens; `None` when it cannot be seen (another user's process, or a container's).
    pub holder: Option<Holder>,
}

/// A process that holds a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id. Which of ours that is, if any, the caller knows.
    pub pid: u32,
}

impl PortInUse {
    /// Who it is, for a sentence: ``pid 4711 `node server.js` in /repos/shop-b``.
    pub fn who(&self) -> String {
        match (&self.holder, self.address) {
            (Some(holder), _) => who(holder.pid),
            (None, Some(address)) => format!("a process that is not to be seen, at {address}"),
            (None, None) => "a process that is not to be seen".to_owned(),
        }
    }
}

/// What people know the process `pid` by: ``pid 4711 `node server.js` in /repos/shop-b``. User info of URLs is hidden,
/// control characters are escaped, and it is cut.
pub fn who(pid: u32) -> String {
    let portrait = observe_portrait(pid);
    let shown = |text: String| excerpt(&text, SHOWN_CHARS_MAX);
    let command = portrait.command.map(|command| format!(" `{}`", shown(command))).unwrap_or_default();
    let folder = portrait.folder.map(|folder| format!(" in {}", shown(folder))).unwrap_or_default();
    format!("pid {pid}{command}{folder}")
}

/// The ports that a service of `spec` wants for itself, each once: those that it declares, and the one that its
/// healthcheck asks, if that is on this machine.
pub fn wanted_ports(spec: &Spec) -> Vec<u16> {
    let mut ports = spec.ports.clone();
    if let Probe::Http { url, .. } = &spec.healthcheck.probe
        && let Ok(endpoint) = address::parse(url)
        && let Some(known) = endpoint.known_addresses()
        && known.iter().any(|address| is_own(address.ip()))
    {
        ports.push(endpoint.port);
    }
    let mut seen = HashSet::new();
    ports.retain(|port| seen.insert(*port));
    ports
}

/// Whether `ip` is an address of this machine: only such can be bound.
fn is_own(ip: IpAddr) -> bool {
    address::is_loopback(ip) || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Which of `ports` have a listener: one entry for each listening socket, in the order of `ports`. Any address counts: what
/// the service will bind we do not know, and the wildcard, which most bind, shares with all; an IPv6 wildcard is taken to
/// share with IPv4, for the system does not say whether it is v6-only.
pub fn observe_ports_in_use(ports: &[u16]) -> Vec<PortInUse> {
    if ports.is_empty() {
        return Vec::new();
    }
    let Ok(listeners) = observe_listeners(ports) else { return ports_that_cannot_be_bound(ports) };
    let holders = if listeners.is_empty() { HashMap::new() } else { observe_first_holders(&listeners) };
    let mut seen = HashSet::new();
    let each_once = ports.iter().filter(|port| seen.insert(**port));
    let on_port = |&port: &u16| {
        let on_it = listeners.iter().filter(move |socket| socket.local.port() == port);
        on_it.map(|socket| PortInUse {
            port: socket.local.port(),
            address: Some(socket.local),
            holder: holders.get(&socket.inode).map(|&pid| Holder { pid }),
        })
    };
    each_once.flat_map(on_port).collect()
}

/// The first process, by pid, that holds each of `sockets`: of a server and its workers most often the server.
fn observe_first_holders(sockets: &[Socket]) -> HashMap<u64, u32> {
    let inodes: Vec<u64> = sockets.iter().map(|socket| socket.inode).collect();
    // Without a listing of processes the ports are in use all the same.
    let all = observe_all_holders(&inodes).unwrap_or_default();
    all.into_iter().filter_map(|(inode, pids)| Some((inode, *pids.first()?))).collect()
}

/// Where the system has no list of sockets: a port that cannot be bound is in use. This alone would miss holders that
/// share by SO_REUSEPORT.
#[expect(clippy::disallowed_methods, reason = "an attempt to bind is the only question that every system answers")]
fn ports_that_cannot_be_bound(ports: &[u16]) -> Vec<PortInUse> {
    let addresses: [IpAddr; 4] = [
        Ipv4Addr::LOCALHOST.into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::UNSPECIFIED.into(),
    ];
    let is_in_use = |port: u16| {
        addresses
            .iter()
            .any(|&ip| TcpListener::bind((ip, port)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse))
    };
    let mut seen = HashSet::new();
    let in_use = ports.iter().filter(|&&port| seen.insert(port) && is_in_use(port));
    in_use.map(|&port| PortInUse { port, address: None, holder: None }).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "real listeners to be found")]
mod tests {
    use super::*;
    use crate::base::weaker::weaker;
    use crate::service::{Healthcheck, Lifecycle};

    #[test]
    fn a_listener_on_any_address_is_found_and_named_and_by_binding_too() {
        for host in ["127.0.0.1", "::1", "0.0.0.0", "::", "127.0.0.9"] {
            let ours = TcpListener::bind((host, 0)).expect("a listener");
            let address = ours.local_addr().expect("an address");
            let port = address.port();
            let expected = PortInUse { port, address: Some(address), holder: Some(Holder { pid: std::process::id() }) };
            let who = expected.who();
            assert!(who.starts_with(&format!("pid {} `", std::process::id())) && who.contains("` in /"), "{who}");
            let blind = PortInUse { port, address: None, holder: None };
            let seen = if weaker("who listens on a port") { &blind } else { &expected };
            assert_eq!(observe_ports_in_use(&[1, port, port]), std::slice::from_ref(seen), "{host}");
            assert_eq!(ports_that_cannot_be_bound(&[port, port]), [blind], "{host}");
            drop(ours);
            assert_eq!(observe_ports_in_use(&[port]), [], "{host}");
            assert_eq!(ports_that_cannot_be_bound(&[port]), [], "{host}");
        }
    }

    #[test]
    fn a_spec_wants_its_ports_and_its_healthchecks_own_each_once() {
        let check = |ports: &[u16], url: &str, expected: &[u16]| {
            let probe = Probe::Http { url: url.into(), expect_status: 200 };
            let spec = Spec {
                name: "web".into(),
                cmd: "node".into(),
                args: Vec::new(),
                cwd: String::new(),
                env: Vec::new(),
                ports: ports.to_vec(),
                ttl_minutes: 1,
                attrs: serde_json::Map::new(),
                healthcheck: Healthcheck::of(probe),
                lifecycle: Lifecycle::default(),
            };
            assert_eq!(wanted_ports(&spec), expected, "{ports:?} {url}");
        };
        check(&[], "http://localhost:3001/", &[3001]);
        check(&[3001, 3002, 3001], "http://127.0.0.1:3001/", &[3001, 3002]);
        check(&[3002], "http://[::]:3001/", &[3002, 3001]);
        check(&[3002], "http://192.0.2.1:3001/", &[3002]);
        check(&[3002], "http://example.com/", &[3002]);
        check(&[3002], "https://localhost:3001/", &[3002]);
    }
}
