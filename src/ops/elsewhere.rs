//! Processes of another pid namespace: a root may be shared with containers, whose pids mean others here. Nobody there can be seen or
//! signalled from here; what can be known is that a shim is gone, by the lock that each holds for as long as it lives. Its service
//! went with it (PR_SET_PDEATHSIG), and so does a whole container. Impure: looks at run folders.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::process;
use crate::service::{Claim, Identity, Liveness, Record};
use crate::state;

/// What a command may take beyond the waits that its record names: reading, writing, starting, and several services in turn.
const CLAIM_MARGIN: Duration = Duration::from_secs(600);

/// Whether `identity`, the shim or the service of a generation, is there. One elsewhere is alive for nobody here; it is dead if
/// its shim has let go.
pub(super) fn observe(root: &Root, name: &str, generation: Option<&Generation>, identity: &Identity) -> Liveness {
    let seen = process::observe_liveness(identity);
    let is_open = seen == Liveness::Unknown && process::is_elsewhere(identity);
    match generation.filter(|_| is_open) {
        Some(generation) if is_let_go(root, name, generation) => Liveness::Dead,
        Some(_) | None => seen,
    }
}

fn is_let_go(root: &Root, name: &str, generation: &Generation) -> bool {
    let newest = state::newest_life(root, name, generation).map(|life| root.run_dir(name, &life));
    let dir = newest.or_else(|| state::barred_life(root, name, generation));
    dir.is_some_and(|dir| state::is_lifeline_free(&dir))
}

/// Whether the maker of a claim on `record` is at it. Nothing tells whether one elsewhere lives: its claim lapses once it has had
/// time enough for what it can have to wait for; should it live, it finds its claim taken, and undoes what it did.
pub(super) fn observe_maker(record: &Record, claim: &Claim, now: EpochMs) -> Liveness {
    let seen = process::observe_liveness(&claim.maker);
    let is_lapsed = || now >= claim.at.plus(claim_span(record));
    let is_over = seen == Liveness::Unknown && process::is_elsewhere(&claim.maker) && is_lapsed();
    if is_over { Liveness::Dead } else { seen }
}

/// The first health of a start and the grace of an end, and more.
fn claim_span(record: &Record) -> Duration {
    let grace = record.spec.lifecycle.stop.grace(Duration::ZERO);
    record.spec.healthcheck.timeout() + grace + CLAIM_MARGIN
}
