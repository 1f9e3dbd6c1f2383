//! Decisions, pure: records + facts + now → a plan of steps, each with its reason. Nothing here reads the world or
//! changes it; `ops` observes the facts and performs the steps, `--dry-run` prints them.

pub mod accept;
pub mod action;
pub mod apart;
pub mod claim;
pub mod dead;
pub mod drawn;
pub mod due;
pub mod ensure;
pub mod facts;
pub mod fate;
pub mod health;
pub mod invariants;
pub mod lease;
pub mod order;
pub mod orphan;
pub mod queue;
pub mod restart;
pub mod runs;
#[cfg(test)]
pub(crate) mod sample;
pub mod stop;
pub mod sweep;
pub mod transitions;
pub mod why;
