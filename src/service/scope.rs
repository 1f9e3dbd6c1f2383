//! Whose a service is: its project and its git worktree. Two scopes may each have a `web`.

use sha1::{Digest, Sha1};

use crate::base::hex::hex;

/// The project and the worktree that a service belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The project's name; empty when nobody said.
    pub project: String,
    /// The worktree's top folder, links resolved; `None` without a working folder.
    pub worktree: Option<String>,
}

impl Scope {
    /// SHA-1 of project, NUL and worktree, in 40 hex digits: the source of a record name's suffix. Stable across versions.
    pub fn digest(&self) -> String {
        let mut hash = Sha1::new();
        hash.update(self.project.as_bytes());
        hash.update([0]);
        hash.update(self.worktree.as_deref().unwrap_or_default().as_bytes());
        hex(&hash.finalize())
    }
}

/// The name that a service of `scope` goes by, given that `is_taken` says which names other scopes hold: the declared
/// one for whoever comes first, else with `-` and four hex digits of the scope's digest, more on a clash, the declared
/// part cut so that the whole has at most `length_max` characters.
pub fn record_name(declared: &str, scope: &Scope, length_max: usize, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(declared) {
        return declared.to_owned();
    }
    let digest = scope.digest();
    (4..=digest.len())
        .map(|digits| suffixed(declared, &digest[..digits], length_max))
        .find(|name| !is_taken(name))
        // All 37 lengths taken by others cannot happen short of a SHA-1 collision; the longest is then the answer.
        .unwrap_or_else(|| suffixed(declared, &digest, length_max))
}

/// `declared` cut, a hyphen, `suffix`; the cut leaves no hyphen at its end, so that the name stays kebab-case.
fn suffixed(declared: &str, suffix: &str, length_max: usize) -> String {
    let room = length_max.saturating_sub(suffix.len() + 1).max(1);
    let head: String = declared.chars().take(room).collect();
    format!("{}-{suffix}", head.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(worktree: &str) -> Scope {
        Scope { project: "shop".into(), worktree: Some(worktree.into()) }
    }

    #[test]
    fn the_first_to_come_has_the_declared_name_and_others_a_suffix() {
        let other = scope("/b");
        let four = format!("web-{}", &other.digest()[..4]);
        let five = format!("web-{}", &other.digest()[..5]);
        let check = |taken: &[&str], expected: &str| {
            assert_eq!(record_name("web", &other, 64, |name| taken.contains(&name)), expected);
        };
        check(&[], "web");
        check(&["web"], &four);
        check(&["web", &four], &five);
    }

    #[test]
    fn a_long_name_is_cut_and_stays_kebab_case() {
        let declared = format!("{}-{}", "a".repeat(58), "b".repeat(5));
        let name = record_name(&declared, &scope("/c"), 64, |name| name == declared);
        assert_eq!(name.len(), 63);
        assert!(crate::service::is_kebab_case(&name), "{name}");
    }

    #[test]
    fn project_and_worktree_do_not_run_into_each_other() {
        let a = Scope { project: "ab".into(), worktree: Some("c".into()) };
        let b = Scope { project: "a".into(), worktree: Some("bc".into()) };
        assert_ne!(a.digest(), b.digest());
    }
}
