//! The service of the demo: a few lines of HTTP over std's sockets, so that the tour needs nothing that is not here.
//! Impure: listens, connects.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

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
    let body = format!("hello from pid {}\n", std::process::id());
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all((head + &body).as_bytes())
}

/// A port on which nobody listens now.
#[expect(clippy::disallowed_methods, reason = "the kernel knows which port is free")]
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
