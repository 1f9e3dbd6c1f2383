//! `show`: one service whole.

use crate::base::clock::EpochMs;
use crate::ops::show;
use crate::view::whole;

use super::Door;
use super::exit::Outcome;

/// Show everything that is known of one service, its processes, the end of its log, and what can be done with it
///
/// Memory is that of the whole tree: what each process has alone, and the largest that one of them may share (its program,
/// shared memory) once. With --format json: its record, as it stands in the state file, with secrets hidden.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed show web")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Shows the service.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let service = show::run(&door.context()?, &args.name)?;
    if door.ui.is_json() {
        door.ui.data(format!("{}\n", service.json))?;
    } else {
        let tree = service.observe_tree();
        door.ui.data(whole::draw(&service, tree.as_ref(), EpochMs::now(), door.ui.table_style()))?;
    }
    Ok(door.end(None, service.set_aside.as_ref()))
}
