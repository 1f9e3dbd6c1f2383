//! Which run folder a shim is at. It has one, and renames it for each life that it gives its service: the folder of an older
//! life is gone then, and that of the newest is its kin. Impure: lists and
//! removes folders.

use std::path::PathBuf;

use crate::base::ids::Generation;
use crate::base::root::{BARRED, Root};

use super::evidence::folders;

/// A listing may miss a folder that is renamed while it is made (readdir(3)); the next one does not, unless another life has
/// begun in between.
const LOOKS_MAX: usize = 4;

/// The newest life by the shim of `generation`: `generation` itself where its run folder is there. `None`: no folder is left,
/// or it is barred.
pub fn newest_life(root: &Root, name: &str, generation: &Generation) -> Option<Generation> {
    (0..LOOKS_MAX).find_map(|_| {
        if root.run_dir(name, generation).is_dir() {
            return Some(generation.clone());
        }
        let there = folders(&root.run().join(name)).unwrap_or_default();
        let lives = there.into_iter().filter_map(|(word, _)| Generation::parse(&word));
        lives.filter(|life| life.is_kin(generation)).max()
    })
}

/// The folder of a life by the shim of `generation` that was barred, if there is one.
pub fn barred_life(root: &Root, name: &str, generation: &Generation) -> Option<PathBuf> {
    let there = folders(&root.run().join(name)).unwrap_or_default();
    let is_kin = |word: &str| Generation::parse(word).is_some_and(|life| life.is_kin(generation));
    there.into_iter().rev().find(|(word, _)| word.strip_suffix(BARRED).is_some_and(is_kin)).map(|(_, dir)| dir)
}

/// Removes the folders of every life by the shim of `generation`, which must be proven gone. What cannot be removed is found by
/// the next sweep.
#[expect(clippy::disallowed_methods, reason = "the run folders of a shim that is proven gone")]
pub fn remove_lives(root: &Root, name: &str, generation: &Generation) {
    drop(std::fs::remove_dir_all(root.run_dir(name, generation)));
    let above = root.run().join(name);
    // Fails, as it should, while there is another folder of that name: of an older or a barred life, or of another shim.
    if std::fs::remove_dir(&above).is_ok() {
        return;
    }
    let is_kin = |word: &str| {
        Generation::parse(word.strip_suffix(BARRED).unwrap_or(word)).is_some_and(|life| life.is_kin(generation))
    };
    for (_, dir) in folders(&above).unwrap_or_default().into_iter().filter(|(word, _)| is_kin(word)) {
        drop(std::fs::remove_dir_all(dir));
    }
    drop(std::fs::remove_dir(&above));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;

    #[test]
    fn the_newest_life_is_found_from_every_older_one_and_by_no_stranger() {
        let first = Generation::new(EpochMs(1_000));
        let second = first.successor(EpochMs(2_000));
        let stranger = Generation::new(EpochMs(3_000));
        let check = |there: &[&Generation], expected: Option<&Generation>| {
            let dir = tempfile::tempdir().unwrap();
            let root = Root::at(dir.path());
            for generation in there {
                std::fs::create_dir_all(root.run_dir("web", generation)).unwrap();
            }
            std::fs::create_dir_all(root.run_dir_barred("web", &second)).unwrap();
            for asked in [&first, &second] {
                let is_itself = there.contains(&asked).then_some(asked);
                assert_eq!(newest_life(&root, "web", asked).as_ref(), is_itself.or(expected), "{asked} of {there:?}");
            }
            (dir, root)
        };
        check(&[], None);
        check(&[&stranger], None);
        check(&[&first, &stranger], Some(&first));
        let (_dir, root) = check(&[&second, &stranger], Some(&second));
        assert_eq!(newest_life(&root, "other", &first), None);
        assert_eq!(barred_life(&root, "web", &first), Some(root.run_dir_barred("web", &second)));
        assert_eq!(barred_life(&root, "web", &stranger), None);
        remove_lives(&root, "web", &first);
        assert_eq!(folders(&root.run().join("web")).unwrap().len(), 1, "the stranger's is there");
        remove_lives(&root, "web", &stranger);
        assert!(!root.run().join("web").exists());
    }
}
