//! Use cases: one file per verb. They observe facts, let the rooms decide, perform, and return a report as data; they
//! neither parse arguments nor print.

pub mod accept;
pub mod attention;
pub mod chain;
pub mod context;
pub mod deliver;
pub mod demo;
pub mod demo_server;
mod demo_stage;
pub mod doctor;
pub mod ending;
pub mod events;
pub mod facts;
mod families;
pub mod fatal;
pub mod find;
mod folders;
pub mod follow;
pub mod healthcheck;
pub mod hint;
pub mod holders;
pub mod list;
pub mod live;
pub mod logs;
mod moved;
pub mod outbox;
mod passed_on;
pub mod probe;
mod probe_target;
pub mod reconcile;
pub mod recover;
pub mod release;
pub mod remove_project;
pub mod renew;
pub mod restart;
pub mod run_loop;
pub mod show;
pub mod shown;
pub mod start;
#[cfg(debug_assertions)]
pub mod steps;
pub mod stop;
pub mod sweep;
mod telling;
pub mod timeline;
pub mod trees;
pub mod validate;
