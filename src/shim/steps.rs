//! Death at a named step of a shim, for the tests. Not in ordinary builds. A shim has no environment to be told by: the file
//! `engine/crash-at` holds `STEP NAME`, and the shim of that service kills itself when it reaches the step.

use std::path::Path;

use crate::base::{files, steps};
use crate::process;

/// A step and a name.
const ORDER_BYTES_MAX: u64 = 256;

pub(super) fn arm(run_dir: &Path) {
    // Who dies where is there the world's to say.
    if crate::base::world::here().is_some() {
        return;
    }
    // `engine/managed-run/NAME/GENERATION`
    let mut above = run_dir.ancestors().skip(1);
    let (name, engine) = (above.next().and_then(Path::file_name), above.nth(1));
    let (Some(name), Some(engine)) = (name.and_then(|name| name.to_str()).map(str::to_owned), engine) else { return };
    let file = engine.join("crash-at");
    steps::arm(Box::new(move |step| {
        let order = files::read_bounded(&file, ORDER_BYTES_MAX);
        if order.is_ok_and(|order| order == format!("{} {name}", step.word()).into_bytes()) {
            // That it is gone tells the test that the step was reached.
            drop(files::remove(&file));
            process::kill_self();
        }
    }));
}
