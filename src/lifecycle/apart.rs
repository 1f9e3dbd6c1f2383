//! What may go side by side: those who have nothing in common.

use std::collections::BTreeMap;

/// Puts together, in their order, those of `needs` that share a key, directly or by way of others; returns these groups by
/// their first members. Whoever works on the groups side by side and on each in its order gets what they would get one
/// after the other.
pub fn apart<K: Ord>(needs: &[Vec<K>]) -> Vec<Vec<usize>> {
    // The first of the group that each is in, as far as it is known; followed until it names itself.
    let mut leaders: Vec<usize> = (0..needs.len()).collect();
    let mut first_with: BTreeMap<&K, usize> = BTreeMap::new();
    for (at, keys) in needs.iter().enumerate() {
        for key in keys {
            let other = *first_with.entry(key).or_insert(at);
            let (one, other) = (leader(&leaders, at), leader(&leaders, other));
            leaders[one.max(other)] = one.min(other);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..needs.len() {
        groups.entry(leader(&leaders, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

fn leader(leaders: &[usize], mut at: usize) -> usize {
    while leaders[at] != at {
        at = leaders[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_something_also_by_way_of_others_is_put_together_in_order() {
        let check = |needs: &[&[u8]], expected: &[&[usize]]| {
            let needs: Vec<Vec<u8>> = needs.iter().map(|keys| keys.to_vec()).collect();
            assert_eq!(apart(&needs), expected, "{needs:?}");
        };
        check(&[], &[]);
        check(&[&[]], &[&[0]]);
        check(&[&[1], &[2], &[]], &[&[0], &[1], &[2]]);
        check(&[&[1], &[2], &[1]], &[&[0, 2], &[1]]);
        check(&[&[1], &[2], &[3], &[2, 1]], &[&[0, 1, 3], &[2]]);
        check(&[&[3], &[1, 2], &[2, 3], &[4, 4]], &[&[0, 1, 2], &[3]]);
        check(&[&[1], &[1], &[1]], &[&[0, 1, 2]]);
    }
}
