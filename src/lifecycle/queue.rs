//! In which order sidecars that wait are taken: by priority, then by age, then by name.

use std::cmp::Ordering;

use crate::base::clock::EpochMs;

/// What decides one sidecar's place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// As its sidecar asks; higher first.
    pub priority: i16,
    /// Since when it waits.
    pub since: EpochMs,
    /// Whose it is: each agent has one at most.
    pub agent: &'a str,
}

/// Which of two sidecars is taken first.
pub fn order(a: &Waiting<'_>, b: &Waiting<'_>) -> Ordering {
    b.priority.cmp(&a.priority).then(a.since.cmp(&b.since)).then(a.agent.cmp(b.agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_order_is_total_whatever_order_the_folder_is_read_in(
            sidecars in proptest::collection::vec((-3_i16..3, 0_i64..4), 1..12),
            turned in 0_usize..12,
        ) {
            let names: Vec<String> = (0..sidecars.len()).map(|at| format!("agent-{at:02}")).collect();
            let waiting = |at: usize| Waiting {
                priority: sidecars[at].0,
                since: EpochMs(sidecars[at].1),
                agent: &names[at],
            };
            let mut one: Vec<Waiting<'_>> = (0..sidecars.len()).map(waiting).collect();
            let mut other = one.clone();
            let length = other.len();
            other.rotate_left(turned % length);
            other.reverse();
            one.sort_by(order);
            other.sort_by(order);
            proptest::prop_assert_eq!(&one, &other);
            for pair in one.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                let is_right = a.priority > b.priority
                    || a.priority == b.priority && (a.since < b.since || a.since == b.since && a.agent < b.agent);
                proptest::prop_assert!(is_right, "{:?} before {:?}", a, b);
            }
        }
    }
}
