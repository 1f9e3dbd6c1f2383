//! How things are shown: tables and lines for people, the contract's JSON for programs. Renders to text and prints
//! nothing; deliberately not here: any decision about what is shown.

pub mod accept;
pub mod amount;
pub mod attention;
pub mod doctor;
pub mod ensure;
pub mod escape;
pub mod events;
pub mod explain;
pub mod holders;
pub mod outbox;
mod policy;
pub mod probed;
pub mod queue;
pub mod reconcile;
pub mod record;
pub mod release;
pub mod renew;
pub mod restart;
pub mod run_loop;
pub mod runs;
pub mod schemas;
pub mod stop;
pub mod sweep;
pub mod table;
pub mod timeline;
pub mod touch;
pub mod updated;
pub mod validate;
pub mod whole;
pub mod wire;
