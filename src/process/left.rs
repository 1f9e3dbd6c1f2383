//! Shims that this process has started and left to themselves. They are its children as long as it lives; those that have ended are
//! zombies until it reaps them. A command that leaves soon need not; one that stays calls [`reap_left`] now and then. Impure: reaps.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

/// Those that have not been reaped. No more than shims that live, and those that have ended since the last call.
static LEFT: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// `child` is left to itself.
pub(super) fn leave(child: Child) {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(child);
}

/// Reaps the shims of this process that have ended.
pub fn reap_left() {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.reap_shims();
    }
    // What cannot be told is asked again.
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a real child to be reaped")]
    fn who_has_ended_is_reaped_and_who_lives_is_kept() {
        use crate::process::{kill_child, observe_identity, wait_end_unheld};
        let child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep starts");
        let pid = child.id();
        let identity = observe_identity(pid).expect("a look").expect("it is ours until it is reaped");
        let is_there = || LEFT.lock().unwrap().iter().any(|child| child.id() == pid);
        leave(child);
        reap_left();
        assert!(is_there(), "it lives");
        kill_child(pid);
        // A zombie has ended.
        assert!(wait_end_unheld(&identity, std::time::Duration::from_secs(20)));
        reap_left();
        assert!(!is_there());
    }
}
