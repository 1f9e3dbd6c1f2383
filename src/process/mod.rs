//! All that is the system's: who a process is (`look`), who descends from whom (`table`), signals (`signal`, the only
//! sender), spawning (`spawn`), ending a tree whose shim is gone (`stopping`), sockets and who holds them (`listeners`,
//! `owners`), and where a process is and what it has open (`places`).
//!
//! What differs between systems is told apart by `cfg(linux_calls)`, which build.rs sets: the process table is in
//! `snapshot_linux` and `snapshot_portable` behind `snapshot`, the rest in items of the files that need it. This room does not know records, and decides nothing.

mod abilities;
mod cgroup;
mod children;
mod inherit;
mod interrupt;
mod itself;
mod left;
mod listeners;
mod look;
mod namespace;
mod owners;
mod places;
mod resolve;
mod signal;
mod snapshot;
mod snapshot_linux;
mod snapshot_portable;
mod socket_diag;
mod socket_list;
mod spawn;
mod stopping;
mod table;

pub use abilities::{Abilities, observe_abilities, observe_unreaped};
pub use cgroup::Cgroup;
pub use children::observe_children;
pub use inherit::seal_descriptors;
pub use interrupt::Interrupt;
pub use itself::OwnCommand;
pub use left::reap_left;
pub use listeners::{Socket, SocketState, answering, observe_connected_ports, observe_listeners, observe_server_end};
pub use look::{
    boot_id, observe_child_identity, observe_identity, observe_legacy_liveness, observe_liveness, own_identity,
    processors,
};
pub use namespace::is_elsewhere;
pub use owners::{Portrait, observe_all_holders, observe_holders, observe_offspring, observe_portrait};
pub use places::{Memory, OPEN_MAX, observe_cwd, observe_mark, observe_memory, observe_open, observe_program};
pub use resolve::resolve_program;
pub use rustix::process::Signal;
#[cfg(debug_assertions)]
pub use signal::kill_self;
pub use signal::{Held, SignalError, hold, kill_child, kill_unreaped, signal_of, wait_end_unheld};
pub use spawn::{
    FOLLOWER_ARG0, MINIONS_GENERATION, MINIONS_NAME, SHIM_ARG0, ServiceStart, ShimStart, SpawnedShim, answer,
    become_shim, heard_go, start_follower, start_service, start_shim, system_words,
};
pub use stopping::{Manners, Remains, StopOutcome, stop_marked};
pub use table::{Table, observe_is_follower, observe_marked, observe_shims, observe_strays};
