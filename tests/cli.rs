//! The real binary from outside: what it prints, where, and with which exit code.

#[path = "cli/harness.rs"]
mod harness;

#[path = "cli/diagnostics.rs"]
mod diagnostics;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/hint.rs"]
mod hint;
#[path = "cli/reading.rs"]
mod reading;
#[path = "cli/scheduling.rs"]
mod scheduling;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/shells.rs"]
mod shells;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/verdicts.rs"]
mod verdicts;
#[path = "cli/words.rs"]
mod words;
