//! Real services by the real binary: what `accept` starts, what lives on, what a stop leaves. Process facts are read
//! from the process table, not from what the program says of itself.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files, run programs and wait for facts"
)]

mod at_rest;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod clock;
mod crash;
mod dependencies;
mod doctor;
mod ends;
mod ensure;
mod examples;
mod explains;
mod fails;
mod faults;
mod faults_disk;
mod faults_files;
mod faults_pids;
mod faults_state;
mod healthchecks;
mod idle;
mod journal;
mod journal_kills;
mod journal_outputs;
mod kills;
mod liveness;
mod lives;
mod many;
#[cfg(target_os = "linux")]
mod namespaces;
mod outputs;
#[cfg(debug_assertions)]
mod pairs;
mod policies;
#[path = "../common/ports.rs"]
mod ports;
mod queue;
mod reconcile;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod refused;
mod release;
mod renew;
mod restart;
mod restarts;
#[cfg(debug_assertions)]
mod restarts_steps;
mod rotation;
mod run;
mod runs;
mod scopes;
mod secrets;
#[cfg(debug_assertions)]
mod steps;
mod stops;
mod support;
mod sweep;
mod truth;
#[path = "../common/weaker.rs"]
mod weaker;
mod words;
