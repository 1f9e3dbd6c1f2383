//! Delivery to real receivers: a http server that misbehaves on demand, programs, files.

mod kills;
mod passes;
mod server;
mod sinks;
mod support;
