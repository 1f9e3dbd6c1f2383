//! What the system may refuse: permission, space, the file's own kind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use minions_managed::base::error::{Error as Failure, Kind};
use minions_managed::base::root::Root;
use minions_managed::state::Error;

use crate::samples::{record, root, store};

/// A small file system of its own; `None`, said loudly, where mounting is not permitted.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, options: &str) -> Option<Self> {
        let mounted = run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", &dir.to_string_lossy()]);
        mounted.then(|| Self(dir.to_owned()))
    }

    fn remount(&self, options: &str) -> bool {
        run("mount", &["-o", &format!("remount,{options}"), &self.0.to_string_lossy()])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    let output = std::process::Command::new(program).args(args).output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    if !done {
        eprintln!("SKIPPED in part: `{program} {}` did not work: {output:?}", args.join(" "));
    }
    done
}

/// Names in `engine`, sorted.
fn names(root: &Root) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root.engine())
        .expect("engine is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn full_disk_leaves_the_old_state_and_no_temporary_file() {
    let (dir, root) = root();
    let Some(_mount) = Mount::new(dir.path(), "size=64k,mode=0700") else { return };
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    let before = std::fs::read(root.state()).unwrap();
    let error = store(&root)
        .change("test", |document| document.records.extend((0..200).map(|at| record(&format!("more-{at}")))))
        .unwrap_err();
    let failure = Failure::from(error);
    assert_eq!(failure.kind, Kind::Unforeseen);
    assert!(failure.chain().contains("No space left on device"), "{}", failure.chain());
    assert!(failure.hint.unwrap().contains("free some"));
    assert_eq!(std::fs::read(root.state()).unwrap(), before);
    assert_eq!(names(&root), ["managed-processes.json", "managed-processes.lock"]);

    // And an unreadable file stays in its place, under its one name, when there is no room for its successor.
    std::fs::write(root.state(), "not JSON").unwrap();
    let mut filler = 0;
    while std::fs::write(dir.path().join(format!("filler-{filler}")), [0; 4096]).is_ok() {
        filler += 1;
    }
    let error = store(&root).change("test", |_| ()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(std::fs::read(root.state()).unwrap(), b"not JSON");
    assert_eq!(names(&root), ["managed-processes.json", "managed-processes.lock"]);
}

#[test]
fn read_only_file_system_is_read_and_refuses_changes() {
    let (dir, root) = root();
    let Some(mount) = Mount::new(dir.path(), "size=64k,mode=0700") else { return };
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    if !mount.remount("ro") {
        return;
    }
    assert_eq!(store(&root).read().unwrap().records.len(), 1);
    let failure = Failure::from(store(&root).change("test", |document| document.remove("web")).unwrap_err());
    assert!(failure.chain().contains("Read-only file system"), "{}", failure.chain());
    assert_eq!(failure.hint.as_deref(), Some("the file system is mounted read-only"));
}

#[test]
fn unreadable_state_on_a_read_only_file_system_is_still_said() {
    let (dir, root) = root();
    let Some(mount) = Mount::new(dir.path(), "size=64k,mode=0700") else { return };
    std::fs::create_dir_all(root.engine()).unwrap();
    std::fs::write(root.state(), "not JSON").unwrap();
    if !mount.remount("ro") {
        return;
    }
    let error = store(&root).read_or_recover("list").unwrap_err();
    assert_eq!(Failure::from(error).kind, Kind::StateSetAside);
}

#[test]
fn malformed_record_that_cannot_be_set_aside_is_still_said() {
    let (dir, root) = root();
    let Some(mount) = Mount::new(dir.path(), "size=64k,mode=0700") else { return };
    std::fs::create_dir_all(root.engine()).unwrap();
    std::fs::write(root.state(), r#"{"version":1,"revision":1,"specs":[{"name":5}]}"#).unwrap();
    if !mount.remount("ro") {
        return;
    }
    let reading = store(&root).read_or_recover("list").unwrap();
    assert_eq!((reading.document.malformed.len(), &reading.set_aside), (1, &None));
    let notice = reading.notice().unwrap();
    assert_eq!((notice.kind, notice.code), (Kind::StateSetAside, "state-malformed"));
    assert!(notice.message.contains("/specs/0") && notice.message.contains("`name`"), "{}", notice.message);
}

#[test]
fn what_is_no_regular_file_is_an_error_and_no_empty_state() {
    let check = |make: &dyn Fn(&Path)| {
        let (_dir, root) = root();
        std::fs::create_dir_all(root.engine()).unwrap();
        make(&root.state());
        let error = store(&root).read().unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(store(&root).change("test", |_| ()).is_err());
    };
    check(&|path| std::fs::create_dir(path).unwrap());
    check(&|path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap());
    check(&|path| std::os::unix::fs::symlink(path, path).unwrap());
}

#[test]
fn file_that_may_not_be_read_is_an_error_and_no_empty_state() {
    let (_dir, root) = root();
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    std::fs::set_permissions(root.state(), std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::File::open(root.state()).is_ok() {
        eprintln!("SKIPPED: this user may read every file, so that none can be forbidden");
        return;
    }
    let failure = Failure::from(store(&root).read().unwrap_err());
    assert_eq!(failure.kind, Kind::Unforeseen);
    assert!(failure.hint.is_some());
}

#[test]
fn files_are_for_their_owner_alone() {
    let (_dir, root) = root();
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&root.engine()), mode(&root.state()), mode(&root.lock())], [0o700, 0o600, 0o600]);
}

#[test]
fn temporary_files_of_killed_writers_go_with_a_later_write() {
    let (_dir, root) = root();
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    let old = root.engine().join(".tmp-old");
    let new = root.engine().join(".tmp-new");
    std::fs::write(&new, "").unwrap();
    let file = std::fs::File::create(&old).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    store(&root).change("test", |document| document.remove("web")).unwrap();
    assert_eq!((old.exists(), new.exists()), (false, true), "the new one may be a living writer's");
}
