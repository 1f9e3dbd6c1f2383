//! `minions managed`: supervises the long-running services that coding agents declare.
//!
//! Reading order is from the inside out. Imports run the other way only: doors use ops, ops use rooms, rooms use
//! `base`; rooms do not know each other, but for the table in `tests/tidy.rs`. See ARCHITECTURE.md.

pub mod base; // root, units, errors, clock, files, lock: what every room stands on

pub mod config; // the settings: one table, and where each value comes from
pub mod service; // names, scopes, identities, specs, records: what a service is

pub mod delivery; // events on their way to those who are to be told
pub mod health; // probes, the wait for the first pass, and whose socket answered
pub mod journal; // what happened, a line each, and how far its readers have come
pub mod lifecycle; // pure decisions: records + facts + now -> a plan
pub mod logs; // rotation that loses no line, and readers that survive it
pub mod process; // spawning, signals, the process tree, listeners: all that is the system's
pub mod runs; // one record per acceptance, and who may decide a sidecar
pub mod sidecar; // the verdict on what an agent declares
pub mod state; // the record of everything that lives, and what shims left as evidence
pub mod text; // words for agents and people
pub mod view; // the contract's JSON, and tables

pub mod ops; // use cases: one file per verb

pub mod cli; // the door for people and scripts
pub mod shim; // the parent of one service
