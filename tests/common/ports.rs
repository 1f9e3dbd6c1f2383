//! Ports for the servers of tests, shared by test crates (`#[path]`). None is given twice, whatever runs side by side:
//!
//! - they lie below those that the kernel gives to clients and to who binds port 0 (ip_local_port_range), so that no
//!   connection of anybody takes one between the claim and the server's start;
//! - each is claimed by a UDP socket that is bound to the same number and held until the test process ends. Test processes
//!   that run at the same time, of whatever crate or checkout, cannot both bind it, and no file has to be cleared away.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// The first port that is claimed; the benchmarks count up from 20,000.
const FIRST: u16 = 22_000;
/// As many as are tried before we give up: a thousand test processes' worth.
const COUNT: u16 = 10_000;

/// The claims of this process, held until it ends, and the port to try next.
static CLAIMED: Mutex<(Vec<UdpSocket>, u16)> = Mutex::new((Vec::new(), 0));

/// A port on which nobody listens, and which is this test process's own.
pub(crate) fn free_port() -> u16 {
    let mut claimed = CLAIMED.lock().expect("nobody panics while claiming a free port");
    let (sockets, next) = &mut *claimed;
    for _ in 0..COUNT {
        let port = FIRST + *next % COUNT;
        *next = (*next + 1) % COUNT;
        let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if is_free(port) {
            sockets.push(claim);
            return port;
        }
    }
    panic!("no port of {FIRST} and the {COUNT} after it is free");
}

/// Whether nobody listens there on any address. A system without IPv6 has no other listeners than the IPv4 ones.
fn is_free(port: u16) -> bool {
    let is_taken = |error: std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    // The first listener is gone before the second is tried, whose wildcard takes in IPv4 too.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && !TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_err_and(is_taken)
}
