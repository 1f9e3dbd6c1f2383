//! The connection of one http probe, as ureq wants it: connected already, never blocking past its time limit, cut short
//! when the service ends. Impure: reads and writes a socket.
//!
//! ureq's own connector would hide which address answered, and from which local port we asked.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use crate::base::clock::monotonic;

/// Hands out one connection, once.
pub(super) struct Handover(Mutex<Option<Wire>>);

/// A connected, non-blocking socket.
pub(super) struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
    exit: Option<OwnedFd>,
}

impl Handover {
    /// Of `stream`; `exit` becomes readable when the service ends.
    pub(super) fn new(stream: TcpStream, exit: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let exit = exit.map(|fd| fd.try_clone_to_owned()).transpose()?;
        // ureq's default sizes are 128 KiB each; a probe's request is one line and its answer is thrown away.
        let buffers = LazyBuffers::new(16 * 1024, 8 * 1024);
        Ok(Self(Mutex::new(Some(Wire { stream, buffers, exit }))))
    }
}

impl Connector<()> for Handover {
    type Out = Wire;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Wire>, ureq::Error> {
        let mut slot = self.0.lock().map_err(|_| ureq::Error::ConnectionFailed)?;
        // Asked a second time there is no connection: one probe is one request.
        Ok(Some(slot.take().ok_or(ureq::Error::ConnectionFailed)?))
    }
}

impl Wire {
    /// Waits until the socket is ready for `wanted`, `until` is reached, or the service ends.
    fn wait(&self, wanted: PollFlags, timeout: NextTimeout, until: Option<Instant>) -> Result<(), ureq::Error> {
        let mut fds = Vec::with_capacity(2);
        fds.push(PollFd::from_borrowed_fd(self.stream.as_fd(), wanted));
        fds.extend(self.exit.as_ref().map(|exit| PollFd::new(exit, PollFlags::IN)));
        let span = until.map(|until| until.saturating_duration_since(monotonic()));
        if span == Some(Duration::ZERO) {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        let span = span.and_then(|span| Timespec::try_from(span).ok());
        match poll(&mut fds, span.as_ref()) {
            Ok(0) => return Err(ureq::Error::Timeout(timeout.reason)),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ureq::Error::Io(error.into())),
        }
        let has_ended = fds.get(1).is_some_and(|exit| !exit.revents().is_empty());
        if has_ended && fds[0].revents().is_empty() {
            return Err(ureq::Error::Io(io::Error::other("the service ended while it was being asked")));
        }
        Ok(())
    }
}

fn until(timeout: NextTimeout) -> Option<Instant> {
    (!timeout.after.is_not_happening()).then(|| monotonic() + *timeout.after)
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let until = until(timeout);
        let mut sent = 0;
        while sent < amount {
            match (&self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(ureq::Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, timeout, until)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ureq::Error::Io(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let until = until(timeout);
        loop {
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::IN, timeout, until)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ureq::Error::Io(error)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Only a pool asks this, and a probe's connection is never used again.
        false
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}

/// Stands in for a resolver: the connection is there already, so the address given does not matter.
#[derive(Debug)]
pub(super) struct Resolved(pub(super) std::net::SocketAddr);

impl Resolver for Resolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}
