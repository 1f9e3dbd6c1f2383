//! The service of the demo: a few lines of HTTP over std's sockets, so that the tour needs nothing that is not here.
//! Impure: listens, connects.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};

/// No client of the tour is slower than this.
const CLIENT_LIMIT: Duration = Duration::from_secs(5);
/// More than any request of the tour.
const REQUEST_BYTES_MAX: usize = 4096;

/// Listens on 127.0.0.1:`port` and answers every request with 200 and a greeting, until it is ended.
#[expect(clippy::disallowed_methods, reason = "the demo's own service listens")]
pub fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    for client in listener.incoming() {
        // A client that goes away is its own affair.
        drop(client.and_then(greet));
    }
    Ok(())
}

fn greet(mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_LIMIT))?;
    let mut request = [0_u8; REQUEST_BYTES_MAX];
    let _length = client.read(&mut request)?;
    let body = format!("hello from pid {}\n", crate::base::ids::own_pid());
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all((head + &body).as_bytes())
}

/// A port on which nobody listens.
#[derive(Debug)]
pub(super) struct FreePort {
    /// Its number.
    pub(super) number: u16,
    /// Bound to it without listening. While this lives, Linux gives the port to nobody of its own accord, so that no
    /// connection takes it before the service starts, and to whoever asks for it by number with `SO_REUSEADDR`, as our
    /// service does (socket(7)). Elsewhere the service would not get it either, so nothing is held there.
    _held: Option<OwnedFd>,
}

/// Finds a free port, and keeps it for the service of the tour.
pub(super) fn free_port() -> io::Result<FreePort> {
    let bound = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    // Nothing is being spawned yet that could inherit it before this.
    fcntl_setfd(&bound, FdFlags::CLOEXEC)?;
    sockopt::set_socket_reuseaddr(&bound, true)?;
    bind(&bound, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let number = SocketAddrV4::try_from(getsockname(&bound)?)?.port();
    Ok(FreePort { number, _held: cfg!(target_os = "linux").then_some(bound) })
}

/// What the service on `port` answers to a GET: the body.
#[expect(clippy::disallowed_methods, reason = "the tour shows the answer")]
pub(super) fn ask(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(CLIENT_LIMIT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    Ok(body.to_owned())
}
