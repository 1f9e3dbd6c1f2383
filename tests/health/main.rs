//! Probes and waits against real servers and real commands.

#![expect(clippy::disallowed_methods, reason = "tests start services, bind ports and look at the clock")]

#[path = "../common/ports.rs"]
mod ports;
mod support;

mod commands;
mod http;
mod proofs;
mod waits;
#[path = "../common/weaker.rs"]
mod weaker;
