//! Sockets by the kernel's own answer to a question (sock_diag(7), `struct inet_diag_req_v2`), instead of by reading the
//! whole list: `/proc/net/tcp` walks the table of all connections, which takes milliseconds on a machine with much memory.
//! Impure: talks to the kernel over a netlink socket.

#![cfg(linux_calls)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use super::listeners::{Socket, SocketState};

// Numbers of the kernel's interface: linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, net/tcp_states.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_SKV6ONLY: u16 = 11;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP_ESTABLISHED: u8 = 1;
const TCP_LISTEN: u8 = 10;
const ANY_STATE: u32 = u32::MAX;

const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg` up to and with the inode.
const BODY_BYTES: usize = 72;
/// More than the kernel puts into one answer to a reader of this size.
const ANSWER_BYTES: usize = 32 * 1024;
/// 32 KiB answers: a million listeners.
const ANSWERS_MAX: usize = 4096;
/// The kernel answers at once; this is so that a bug cannot hang us.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

/// Every listening TCP socket, IPv4 first. One socket bound to an IPv6 wildcard is listed once, as IPv6.
pub(super) fn listeners() -> io::Result<Vec<Socket>> {
    all_in(1 << TCP_LISTEN)
}

/// Every connected TCP socket, IPv4 first.
pub(super) fn connected() -> io::Result<Vec<Socket>> {
    all_in(1 << TCP_ESTABLISHED)
}

/// Every TCP socket in one of `states`, a bit for each.
fn all_in(states: u32) -> io::Result<Vec<Socket>> {
    let diag = open()?;
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let unspecified = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let question = Question { family, states, flags: NLM_F_DUMP, local: unspecified, remote: unspecified };
        ask(&diag, &question, &mut found)?;
    }
    Ok(found)
}

/// The socket that the kernel gives a packet from `remote` to `local` to: the connected one, else the listener that takes
/// it; `None` if there is neither.
pub(super) fn receiver(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Socket>> {
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut found = Vec::new();
    match ask(&open()?, &Question { family, states: ANY_STATE, flags: 0, local, remote }, &mut found) {
        Ok(()) => Ok(found.pop()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open() -> io::Result<OwnedFd> {
    let diag = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    set_socket_timeout(&diag, Timeout::Recv, Some(ANSWER_TIME_MAX))?;
    Ok(diag)
}

struct Question {
    family: u8,
    states: u32,
    flags: u16,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Question {
    /// `struct nlmsghdr` and `struct inet_diag_req_v2`, in the machine's byte order but for ports and addresses.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(72);
        bytes.extend(72_u32.to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | self.flags).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([self.family, IPPROTO_TCP, 0, 0]);
        bytes.extend(self.states.to_ne_bytes());
        bytes.extend(self.local.port().to_be_bytes());
        bytes.extend(self.remote.port().to_be_bytes());
        for address in [self.local, self.remote] {
            let mut words = [0_u8; 16];
            match address.ip() {
                IpAddr::V4(ip) => words[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => words.copy_from_slice(&ip.octets()),
            }
            bytes.extend(words);
        }
        // Any interface, and no cookie: which socket we mean is not known beforehand.
        bytes.extend([0; 4]);
        bytes.extend([0xff; 8]);
        bytes
    }
}

/// Sends the question and adds the answers to `found`.
fn ask(diag: &OwnedFd, question: &Question, found: &mut Vec<Socket>) -> io::Result<()> {
    send(diag, &question.bytes(), SendFlags::empty())?;
    let mut buffer = vec![0_u8; ANSWER_BYTES];
    for _ in 0..ANSWERS_MAX {
        let length = loop {
            match recv(diag, &mut buffer[..], RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                answer => break answer?.1,
            }
        };
        // What was cut off is not in the buffer.
        let is_last = take(buffer.get(..length).unwrap_or(&buffer), found)?;
        if is_last || question.flags & NLM_F_DUMP == 0 {
            return Ok(());
        }
    }
    Err(io::Error::other("the kernel's list of sockets has no end"))
}

/// Takes the sockets out of one answer; says whether it was the last.
fn take(mut answer: &[u8], found: &mut Vec<Socket>) -> io::Result<bool> {
    while let Some(length) = number(answer, 0).filter(|length| *length >= HEADER_BYTES) {
        let Some(message) = answer.get(..length) else { break };
        let body = &message[HEADER_BYTES..];
        match half(message, 4) {
            Some(NLMSG_DONE) => return Ok(true),
            Some(NLMSG_ERROR) => {
                let code = body.first_chunk().map_or(0, |four| i32::from_ne_bytes(*four));
                return if code == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) };
            }
            Some(SOCK_DIAG_BY_FAMILY) => found.extend(socket(body)),
            Some(_) | None => {}
        }
        // Messages begin at multiples of four.
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reads a `struct inet_diag_msg` and the attribute that we want.
fn socket(body: &[u8]) -> Option<Socket> {
    let attributes = body.get(BODY_BYTES..)?;
    let state = match body[1] {
        TCP_LISTEN => SocketState::Listening,
        TCP_ESTABLISHED => SocketState::Established,
        _ => SocketState::Other,
    };
    let ip = |at: usize| -> Option<IpAddr> {
        match body[0] {
            AF_INET => Some(Ipv4Addr::from(*body[at..].first_chunk::<4>()?).into()),
            AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(*body[at..].first_chunk::<16>()?)).to_canonical()),
            _ => None,
        }
    };
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Some(Socket {
        local: SocketAddr::new(ip(8)?, port(4)),
        remote: SocketAddr::new(ip(24)?, port(6)),
        state,
        inode: u64::try_from(number(body, 68)?).ok()?,
        is_v6_only: attribute(attributes, INET_DIAG_SKV6ONLY).is_some_and(|value| value.first() == Some(&1)),
    })
}

/// The value of the attribute `wanted` (`struct nlattr`).
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(half(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if half(attributes, 2)? == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "real sockets to be found")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn our_listeners_are_found_and_so_is_what_takes_a_connection() {
        for host in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
            let ours = TcpListener::bind((host, 0)).expect("a listener");
            let address = ours.local_addr().expect("an address");
            let listed = listeners().expect("an answer").into_iter().find(|socket| socket.local == address);
            let listed = listed.unwrap_or_else(|| panic!("{host} is not listed"));
            assert!(listed.state == SocketState::Listening && listed.inode != 0, "{listed:?}");
            assert_eq!(listed.is_v6_only, host == "::1", "{host}");

            let reached = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
            let client = TcpStream::connect((reached, address.port())).expect("a connection");
            let (from, to) = (client.local_addr().expect("an address"), client.peer_addr().expect("an address"));
            let (accepted, _) = ours.accept().expect("a connection");
            let found = receiver(to, from).expect("an answer").expect("a socket");
            assert_eq!((found.local, found.remote, found.state), (to, from, SocketState::Established), "{host}");
            assert!(found.inode != 0 && found.inode != listed.inode);
            let free = SocketAddr::new(from.ip(), 1);
            assert_eq!(
                receiver(to, free).expect("an answer"),
                Some(listed),
                "the listener takes what is not connected"
            );
            drop((accepted, client, ours));
            assert_eq!(receiver(SocketAddr::new(to.ip(), 1), free).expect("an answer"), None);
        }
    }

    #[test]
    fn a_v4_question_finds_the_v6_wildcard_and_a_v6_only_one_is_marked() {
        let ours = TcpListener::bind("[::]:0").expect("a listener");
        let port = ours.local_addr().expect("an address").port();
        let v4 = SocketAddr::from(([127, 0, 0, 1], port));
        let found = receiver(v4, SocketAddr::from(([127, 0, 0, 1], 1))).expect("an answer").expect("a socket");
        assert_eq!(found.local, SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));

        use rustix::net::{bind, getsockname, listen, sockopt};
        let only = socket_with(AddressFamily::INET6, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        sockopt::set_ipv6_v6only(&only, true).expect("an option");
        bind(&only, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).expect("a port");
        listen(&only, 1).expect("a listener");
        let address = SocketAddr::try_from(getsockname(&only).expect("an address")).expect("an address");
        let listed = listeners().expect("an answer").into_iter().find(|socket| socket.local == address);
        assert!(listed.is_some_and(|socket| socket.is_v6_only));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            length in 0..300_u32,
            kind in prop_oneof![Just(NLMSG_ERROR), Just(NLMSG_DONE), Just(SOCK_DIAG_BY_FAMILY), any::<u16>()],
            family in prop_oneof![Just(AF_INET), Just(AF_INET6), any::<u8>()],
        ) {
            for (at, four) in [(0, length.to_ne_bytes()), (4, u32::from(kind).to_le_bytes()), (16, [family, 10, 0, 0])] {
                if let Some(slot) = bytes.get_mut(at..at + 4) {
                    slot.copy_from_slice(&four);
                }
            }
            // Whatever it holds, it is some sockets, or an error.
            take(&bytes, &mut Vec::new()).ok();
        }
    }
}
