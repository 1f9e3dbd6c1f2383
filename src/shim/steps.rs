//! Death and delay at a named step of a shim or a follower, for the tests. Not in ordinary builds. They have no environment to be
//! told by: the file `engine/crash-at` holds `STEP NAME`, and the one of that service kills itself when it reaches the step. With
//! `STEP NAME PIPE` it waits there until somebody has opened and closed that named pipe. Where there is a file `engine/clock-set` at its start,
//! its wall clock is off by as many milliseconds as that file says.

use std::path::Path;

use crate::base::{files, steps};
use crate::process;

/// A step, a name and a path.
const ORDER_BYTES_MAX: u64 = 1024;

pub(super) fn arm(run_dir: &Path) {
    // `engine/managed-run/NAME/GENERATION`
    let mut above = run_dir.ancestors().skip(1);
    let (name, engine) = (above.next().and_then(Path::file_name), above.nth(1));
    let (Some(name), Some(engine)) = (name.and_then(|name| name.to_str()).map(str::to_owned), engine) else { return };
    let clock = engine.join("clock-set");
    if clock.exists() {
        crate::base::clock::set::follow(clock);
    }
    let file = engine.join("crash-at");
    steps::arm(Box::new(move |step| {
        let order = files::read_bounded(&file, ORDER_BYTES_MAX).unwrap_or_default();
        let order = String::from_utf8_lossy(&order);
        let mut words = order.splitn(3, ' ');
        if words.next() != Some(step.word()) || words.next() != Some(name.as_str()) {
            return;
        }
        // That it is gone tells the test that the step was reached.
        drop(files::remove(&file));
        match words.next() {
            Some(pipe) => steps::wait_at(Path::new(pipe)),
            None => process::kill_self(),
        }
    }));
}
