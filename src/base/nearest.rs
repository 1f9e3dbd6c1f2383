//! The known word that a mistyped one probably meant.

/// Longest word that is compared, in characters: the work is quadratic and the text may be a stranger's.
const CHARS_MAX: usize = 128;

/// The candidate nearest to `word` without regard to case, the first of equals; `None` if none is near: at most a
/// third of the word's letters (at least one) may be missing, added, changed or swapped with their neighbour.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    if chars.len() > CHARS_MAX {
        return None;
    }
    let distance_max = (chars.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= CHARS_MAX * 4)
        .map(|candidate| (distance(&chars, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, a swap of neighbours counted as one (optimal string alignment).
fn distance(word: &[char], candidate: &str) -> usize {
    let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in word.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, theirs) in other.iter().enumerate() {
            let changed = above[column] + usize::from(letter != theirs);
            let mut least = changed.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && word[row - 1] == *theirs && *letter == other[column - 1];
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_named_and_a_far_one_is_not() {
        let words = ["list", "logs", "maxTtlMinutes", "stop"];
        let check = |word: &str, expected: Option<&str>| assert_eq!(nearest(word, words), expected, "{word:?}");
        check("lsit", Some("list"));
        check("lst", Some("list"));
        check("LIST", Some("list"));
        check("maxttlminute", Some("maxTtlMinutes"));
        check("lgos", Some("logs"));
        check("st", None);
        check("frobnicate", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }
}
