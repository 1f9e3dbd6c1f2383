//! The system refuses a call, whichever it is: every file call of every command once with an I/O error, and so on. No service that
//! the command is not about is touched, nothing is lost, what could not be done is said with the system's reason, and the next
//! `reconcile` leaves everything true.

use rustix::io::Errno;
use serde_json::Value;

use crate::faults::{Patient, skipped};
use crate::refused::{Calls, Refusal, Refused, run_refused};
use crate::support::{is_alive, kill_shim, pid_of, shim_of};
use crate::truth::expect_truth;

/// Which calls are refused, counted from one.
type Which = fn(last: usize) -> usize;

/// Some, in every run of the tests: the first ones nearer to each other than those of a long look at all processes.
const SOME: Which = |last| last + 9 + last / 3;
/// Each, in the soak.
const EACH: Which = |last| last + 1;

/// A command, and what there is when it comes: `web` and `api` run, `new` is declared.
struct Case {
    words: &'static str,
    begin: fn(&Patient),
    /// What must be true of `web` if the command says that all is done.
    is_done: fn(before: &Value, after: Option<&Value>) -> bool,
}

const CASES: [Case; 6] = [
    Case { words: "accept new", begin: stop_new, is_done: is_the_same },
    Case { words: "stop web", begin: |_| (), is_done: |_, after| after.is_none() },
    Case { words: "restart web", begin: |_| (), is_done: is_another },
    Case { words: "renew web --ttl 5", begin: |_| (), is_done: is_the_same },
    Case { words: "sweep", begin: kill_web, is_done: |_, _| true },
    Case { words: "reconcile", begin: kill_web, is_done: |_, _| true },
];

fn kill_web(patient: &Patient) {
    kill_shim(&patient.world.record("web"));
}

fn stop_new(patient: &Patient) {
    if patient.world.records().iter().any(|record| record["name"] == "new") {
        patient.world.run(&["stop", "new"]).ended(0);
        patient.revive();
    }
}

fn is_the_same(before: &Value, after: Option<&Value>) -> bool {
    after.is_some_and(|after| after["generation"] == before["generation"] && is_alive(pid_of(after)))
}

fn is_another(before: &Value, after: Option<&Value>) -> bool {
    after.is_some_and(|after| after["generation"] != before["generation"] && is_alive(pid_of(after)))
}

/// Calls by the kernel's names; those that newer machines have no number for only where there is one.
macro_rules! calls {
    ($($name:ident)* $(; $($old:ident)*)?) => {
        &[$((stringify!($name), libc::$name),)* $($(#[cfg(target_arch = "x86_64")] (stringify!($old), libc::$old),)*)?]
    };
}

const FILES: Calls = calls!(
    SYS_openat SYS_read SYS_pread64 SYS_write SYS_fsync SYS_fdatasync SYS_ftruncate SYS_fallocate SYS_flock SYS_renameat
    SYS_renameat2 SYS_linkat SYS_unlinkat SYS_mkdirat SYS_getdents64 SYS_newfstatat SYS_statx SYS_readlinkat SYS_chdir SYS_fchmod;
    SYS_open SYS_rename SYS_link SYS_unlink SYS_mkdir SYS_rmdir SYS_stat SYS_fstat SYS_lstat SYS_readlink
);
const WRITES: Calls = calls!(
    SYS_write SYS_fsync SYS_fdatasync SYS_ftruncate SYS_fallocate SYS_renameat SYS_renameat2 SYS_linkat SYS_unlinkat SYS_mkdirat;
    SYS_rename SYS_link SYS_unlink SYS_mkdir SYS_rmdir
);
const OPENS: Calls = calls!(
    SYS_openat SYS_pipe2 SYS_pidfd_open SYS_socket SYS_socketpair SYS_fcntl SYS_dup SYS_timerfd_create SYS_eventfd2
    SYS_epoll_create1; SYS_open
);
const FORKS: Calls = calls!(SYS_clone SYS_clone3 SYS_execve; SYS_fork SYS_vfork);

/// Every command with its calls of one kind refused, each alone or all from there on.
fn refuse(calls: Calls, errno: Errno, is_lasting: bool, which: Which) {
    let mut patient = Patient::new();
    let mut complaints = Vec::new();
    for case in &CASES {
        let nths = std::iter::successors(Some(1), |last| Some(which(*last)));
        let refused = nths.take_while(|nth| {
            let refusal = Refusal { calls, errno, nth: *nth, is_lasting };
            // One that fails keeps nobody from finding out about those after it.
            let tried = std::panic::catch_unwind(|| refuse_one(&patient, case, refusal));
            let is_refused = tried.unwrap_or_else(|_| {
                complaints.push(format!("`{}`, call {nth}: {errno}", case.words));
                patient = Patient::new();
                Some(true)
            });
            is_refused.unwrap_or_else(|| {
                skipped("SKIPPED: this system has no filter by which calls could be refused (seccomp_unotify(2))");
                false
            })
        });
        let count = refused.count();
        skipped(&format!("`{}`: {count} calls refused: {errno}", case.words));
    }
    assert!(complaints.is_empty(), "see above: {complaints:#?}");
}

/// Whether there was such a call; `None` where none can be refused.
fn refuse_one(patient: &Patient, case: &Case, refusal: Refusal) -> Option<bool> {
    let world = &patient.world;
    patient.revive();
    (case.begin)(patient);
    let before = world.records();
    let Refused { ran, call } = run_refused(world.command(&[]).args(patient.line(case.words)), refusal)?;
    let Some(call) = call else { return Some(false) };
    let after = world.records();
    let story = format!("`{}`, {} for {call}: {ran:#?}", case.words, refusal.errno);
    check_words(&ran.stdout, &ran.stderr, ran.code, refusal.errno, &story);
    let web = of(&after, "web");
    let has_done = ran.code == Some(0) && call_matters(&call);
    assert!(!has_done || (case.is_done)(of(&before, "web").expect("it ran"), web), "it is not done, {story}");
    assert!(case.words != "restart web" || web.is_some(), "its record is lost, {story}");
    let sidecars = std::fs::read_dir(world.root().join("agents/new")).expect("listed").count();
    assert!(sidecars > 0, "the sidecar is lost, {story}");
    let again = world.run(&["reconcile"]);
    assert_eq!(again.code, Some(0), "{again:?}, after {story}");
    expect_truth(world, &story);
    let api = of(&before, "api").expect("it ran");
    let is_untouched = is_the_same(api, of(&world.records(), "api")) && is_alive(shim_of(api));
    assert!(is_untouched, "another service is touched, {story}");
    let files = std::fs::read_dir(world.root().join("engine")).expect("listed").flatten();
    let aside = files.filter(|file| file.file_name().to_string_lossy().contains(".corrupt-"));
    assert_eq!(aside.count(), 0, "a state that could not be read is no bad one, {story}");
    Some(true)
}

/// Whether a refused call can matter to what is done: not the tests' own switches.
fn call_matters(call: &str) -> bool {
    !call.contains("crash-at") && !call.contains("clock-set")
}

fn of<'a>(records: &'a [Value], name: &str) -> Option<&'a Value> {
    records.iter().find(|record| record["name"] == name)
}

/// What could not be done is said with the system's reason, and its exit code is none that means something else.
fn check_words(stdout: &str, stderr: &str, code: Option<i32>, errno: Errno, story: &str) {
    // What the system calls it, without its number; or that a shim could not even say why, or that nothing was seen.
    let reason = std::io::Error::from(errno).to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let says = [reason, "the shim ended before", "cannot be proven", "cannot be told", "cannot be seen"];
    let is_said = says.iter().any(|part| stdout.contains(part) || stderr.contains(part));
    assert!(matches!(code, Some(0 | 1 | 4)), "{story}");
    assert!(code == Some(0) || is_said, "the reason is not said, {story}");
    assert!(!stderr.contains("panicked"), "{story}");
    let has = |start: &str| stderr.lines().any(|line| line.starts_with(start));
    assert!(code != Some(1) || (has("error: ") && has("  hint: ")), "what is wrong, and what to do: {story}");
}

#[test]
fn a_file_call_that_fails_with_an_io_error_costs_nothing_and_is_said() {
    refuse(FILES, Errno::IO, false, SOME);
}

#[test]
fn a_disk_that_fails_at_every_write_from_some_moment_on_costs_nothing_and_is_said() {
    refuse(WRITES, Errno::IO, true, SOME);
}

#[test]
fn a_call_that_finds_no_room_no_file_or_no_process_costs_nothing_and_is_said() {
    refuse(WRITES, Errno::NOSPC, false, SOME);
    refuse(OPENS, Errno::MFILE, false, SOME);
    refuse(FORKS, Errno::AGAIN, false, EACH);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn each_file_call_that_fails_with_an_io_error_costs_nothing_and_is_said() {
    refuse(FILES, Errno::IO, false, EACH);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn a_disk_that_fails_at_every_write_from_each_moment_on_costs_nothing_and_is_said() {
    refuse(WRITES, Errno::IO, true, EACH);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn each_call_that_finds_no_room_or_no_file_costs_nothing_and_is_said() {
    refuse(WRITES, Errno::NOSPC, false, EACH);
    refuse(OPENS, Errno::MFILE, false, EACH);
}
