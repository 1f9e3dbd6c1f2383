//! The program in a simulated world: the real commands and the real shims, on a machine whose time, processes and faults are the
//! test's. Scenarios that read like sessions, deaths at every step, and long walks by seed (docs/testing.md).
#![cfg(debug_assertions)]
#![expect(clippy::disallowed_methods, reason = "tests make files and start threads")]

mod check;
mod declare;
mod exhaustive;
mod faults;
mod lives;
mod machine;
mod model;
mod numbers;
mod proc;
mod promises;
mod role;
mod scenarios;
mod script;
mod sim;
mod stage;
mod stories;
mod walks;
mod world;
