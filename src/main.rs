//! Arguments in, exit code out. What shims are and start comes first: it must cost nothing but itself.

use std::process::ExitCode;

use minions_managed::shim::{self, Invoked};

fn main() -> ExitCode {
    match shim::invoked() {
        Some(Invoked::Shim(run_dir)) => shim::main(&run_dir),
        Some(Invoked::Follower(run_dir)) => minions_managed::ops::follow::main(&run_dir),
        None => minions_managed::cli::main(),
    }
}
