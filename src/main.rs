//! Arguments in, exit code out. The shim's branch comes first: it must cost nothing but itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    match minions_managed::shim::invoked() {
        Some(run_dir) => minions_managed::shim::main(&run_dir),
        None => minions_managed::cli::main(),
    }
}
