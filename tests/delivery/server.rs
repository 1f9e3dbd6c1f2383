//! A small http server that does to each request what the test wants, and remembers what it was sent.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a server of the test's own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What is done to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A status, with further header lines.
    Status(u16, Vec<String>),
    /// Nothing is ever said; the connection stays open.
    Hang,
    /// The connection is reset (RST) without an answer.
    Reset,
    /// The connection is closed without an answer.
    Close,
    /// These bytes, whatever they are; then the connection is closed.
    Bytes(&'static [u8]),
    /// A status and the beginning of a body that never ends.
    Endless(u16),
}

impl Answer {
    pub(crate) const fn status(status: u16) -> Self {
        Self::Status(status, Vec::new())
    }

    /// Whether an event so answered is delivered.
    fn takes(&self) -> bool {
        matches!(self, Self::Status(200..=299 | 409, _) | Self::Endless(200..=299))
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `POST /x HTTP/1.1`.
    pub(crate) line: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// Whether the answer was one that takes it.
    pub(crate) is_taken: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The number of the event in it.
    pub(crate) fn seq(&self) -> u64 {
        self.body["data"]["seq"].as_u64().unwrap()
    }
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    connections: usize,
    /// Connections that hang, kept open.
    held: Vec<TcpStream>,
}

/// The server; its thread ends with the test's process.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

type Behaviour = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

impl Server {
    /// Answers each request as `behaviour` says.
    pub(crate) fn start(behaviour: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, behaviour) = (Arc::clone(&server.seen), Arc::new(behaviour) as Behaviour);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, behaviour, stream) = (Arc::clone(&seen), Arc::clone(&behaviour), stream.unwrap());
                seen.lock().unwrap().connections += 1;
                // A client that goes in the middle of something is not this thread's trouble.
                std::thread::spawn(move || drop(serve(stream, &seen, &behaviour)));
            }
        });
        server
    }

    /// One that takes everything.
    pub(crate) fn good() -> Self {
        Self::start(|_| Answer::status(204))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().requests.len()
    }

    /// Numbers of the events that were taken, in the order in which they came.
    pub(crate) fn taken(&self) -> Vec<u64> {
        self.requests().iter().filter(|request| request.is_taken).map(Request::seq).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Seen>, behaviour: &Behaviour) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.set_nodelay(true)?;
    while let Some(mut request) = read(&mut reader)? {
        let answer = behaviour(&request);
        request.is_taken = answer.takes();
        let mut seen = seen.lock().unwrap();
        seen.requests.push(request);
        if answer == Answer::Hang {
            seen.held.push(stream.try_clone()?);
        }
        drop(seen);
        match answer {
            Answer::Status(status, headers) => {
                let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
                let length = if status == 204 { "" } else { "content-length: 2\r\n" };
                let body = if status == 204 { "" } else { "no" };
                stream.write_all(format!("HTTP/1.1 {status} x\r\n{length}{more}\r\n{body}").as_bytes())?;
            }
            Answer::Hang => {}
            Answer::Reset => {
                rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO))?;
                return Ok(());
            }
            Answer::Close => return stream.shutdown(Shutdown::Both),
            Answer::Bytes(bytes) => return stream.write_all(bytes),
            Answer::Endless(status) => {
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 1000000\r\n\r\nsome")?;
                seen_held(&stream)?;
            }
        }
    }
    Ok(())
}

/// Waits until the client gives up.
fn seen_held(stream: &TcpStream) -> std::io::Result<()> {
    stream.try_clone()?.read_to_end(&mut Vec::new()).map(drop)
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Some(Request { line: line.trim_end().to_owned(), headers, body, is_taken: false }))
}
