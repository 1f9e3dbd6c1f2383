//! The kernel's list of TCP sockets, for where it does not answer questions about them. Impure: reads `/proc/net/tcp` and
//! `/proc/net/tcp6` (proc_net(5)).

#![cfg(linux_calls)]

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

use super::listeners::{Socket, SocketState};

/// A line is some 150 bytes; a longer one than this is none that we know.
const CHUNK_BYTES: usize = 64 * 1024;
/// 400,000 sockets; a list longer than this is an error rather than half a truth.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The TCP sockets, IPv4 first, that `wanted` takes. One pass, nothing is kept of the others.
pub(super) fn observe_sockets(wanted: impl Fn(&Socket) -> bool) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match open(path) {
            Ok(list) => read_list(list, &wanted, &mut found)?,
            // A kernel without IPv6 has no list of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "reads /proc piece by piece, which is no file to be bounded by its size")]
fn open(path: &str) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Reads a list to its end and keeps what `wanted` takes. Lines that read like nothing we know are passed over: a
/// header, or a later kernel's.
fn read_list(list: impl Read, wanted: impl Fn(&Socket) -> bool, found: &mut Vec<Socket>) -> io::Result<()> {
    let mut list = list.take(LIST_BYTES_MAX);
    let mut buffer = vec![0_u8; CHUNK_BYTES];
    let mut filled = 0;
    loop {
        match list.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let whole = buffer[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        found.extend(buffer[..whole].split(|&byte| byte == b'\n').filter_map(parse_line).filter(&wanted));
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if filled == buffer.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of the list of sockets has no end"));
        }
    }
    if list.limit() == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the list of sockets is too long to be read whole"));
    }
    found.extend(parse_line(&buffer[..filled]).filter(wanted));
    Ok(())
}

/// Reads one line: `0: 0100007F:0BB9 00000000:0000 0A … uid timeout inode …`. Nothing is allocated.
fn parse_line(line: &[u8]) -> Option<Socket> {
    let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let number = fields.next()?.strip_suffix(b":")?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let local = parse_address(fields.next()?)?;
    let remote = parse_address(fields.next()?)?;
    // Numbers of include/net/tcp_states.h.
    let state = match fields.next()? {
        b"0A" => SocketState::Listening,
        b"01" => SocketState::Established,
        _ => SocketState::Other,
    };
    // Between: queues, timer, retransmits, uid, timeout.
    let inode = std::str::from_utf8(fields.nth(5)?).ok()?.parse().ok()?;
    Some(Socket { local, remote, state, inode, is_v6_only: false })
}

/// Reads `0100007F:0BB9`: the address as 32-bit words in the machine's own byte order, then the port.
fn parse_address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, port) = text.split_once(':')?;
    if !address.bytes().chain(port.bytes()).all(|byte| byte.is_ascii_hexdigit()) || port.len() != 4 {
        return None;
    }
    let word = |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::V4(word(0)?.into()),
        32 => {
            let mut bytes = [0_u8; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(bytes.into()).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Linux 6.18 prints it on a little-endian machine, with lines that no kernel prints.
    const TCP: &str = include_str!("../../fixtures/proc/net-tcp.txt");
    const TCP6: &str = include_str!("../../fixtures/proc/net-tcp6.txt");

    fn read(text: &str) -> Vec<Socket> {
        let mut found = Vec::new();
        read_list(text.as_bytes(), |_| true, &mut found).expect("a list");
        found
    }

    fn socket(local: &str, remote: &str, state: SocketState, inode: u64) -> Socket {
        let address = |text: &str| text.parse().expect("an address");
        Socket { local: address(local), remote: address(remote), state, inode, is_v6_only: false }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lists_are_read_and_weird_lines_passed_over() {
        use SocketState::{Established, Listening, Other};
        let expected = [
            socket("127.0.0.1:3001", "0.0.0.0:0", Listening, 21_001),
            socket("0.0.0.0:2024", "0.0.0.0:0", Listening, 1077),
            socket("127.0.0.1:3001", "127.0.0.1:51234", Established, 21_050),
            socket("127.0.0.1:51236", "127.0.0.1:3001", Other, 0),
        ];
        assert_eq!(read(TCP), expected);
        let expected = [
            socket("[::]:3001", "[::]:0", Listening, 33_001),
            socket("[::1]:3002", "[::]:0", Listening, 33_002),
            socket("127.0.0.1:3003", "[::]:0", Listening, 33_003),
            socket("[2001:db8::1]:443", "[2001:db8::2]:40000", Established, 33_004),
        ];
        assert_eq!(read(TCP6), expected);
    }

    #[test]
    fn lists_longer_than_a_chunk_are_read_whole() {
        let line = TCP.lines().nth(1).expect("a line");
        let many = format!("{line}\n").repeat(5000);
        assert_eq!(read(&many).len(), 5000);
        assert_eq!(read(many.trim_end()).len(), 5000);
        let endless = "x".repeat(CHUNK_BYTES + 1);
        assert!(read_list(endless.as_bytes(), |_| true, &mut Vec::new()).is_err());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a real listener to be found")]
    fn our_own_listeners_are_in_the_list() {
        for host in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let ours = std::net::TcpListener::bind(host).expect("a listener");
            let address = ours.local_addr().expect("an address");
            let found = observe_sockets(|socket| socket.local == address).expect("a list");
            assert!(matches!(found[..], [socket] if socket.inode != 0), "{host}: {found:?}");
            // Both sources say the same, but for what only one of them knows.
            let answered = super::super::observe_listeners(&[address.port()]).expect("an answer");
            let blind: Vec<Socket> = answered.iter().map(|&socket| Socket { is_v6_only: false, ..socket }).collect();
            assert_eq!(found, blind, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_list_makes_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            line in "[0-9A-F: ]{0,120}",
            cut in 0..400_usize,
        ) {
            for text in [&bytes[..], line.as_bytes(), TCP.as_bytes().get(cut..).unwrap_or_default()] {
                // Whatever it holds, it is a list with some lines that count, or an error.
                read_list(text, |_| true, &mut Vec::new()).ok();
            }
        }

        #[test]
        fn what_is_written_as_the_kernel_does_reads_back(ip in any::<[u8; 16]>(), port in any::<u16>()) {
            let words: String = ip.chunks(4).fold(String::new(), |hex, four| {
                hex + &format!("{:08X}", u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
            });
            let parsed = parse_address(format!("{words}:{port:04X}").as_bytes());
            prop_assert_eq!(parsed, Some(SocketAddr::new(IpAddr::V6(ip.into()).to_canonical(), port)));
        }
    }
}
