//! Commands of which the system refuses a call: the N-th of a kind, or all from there on. A seccomp filter hands every such
//! call of the command, its shims and what they fork to this process, which lets it pass or answers with an error
//! (seccomp_unotify(2)). It needs no right and no other program, and strikes the real calls of the real binary.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use libc::c_long;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use crate::support::{LIMIT, Ran};

/// A kind of call, by the names that the kernel's table has for it on this machine.
pub(crate) type Calls = &'static [(&'static str, c_long)];

/// Which call is refused, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) calls: Calls,
    pub(crate) errno: Errno,
    /// Counted from one, over the command and everything it starts that runs our program.
    pub(crate) nth: usize,
    /// All that come after it too, until the command has ended.
    pub(crate) is_lasting: bool,
}

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) ran: Ran,
    /// The first call that was refused, in words; `None` if there were not as many.
    pub(crate) call: Option<String>,
}

/// A look at all processes makes some calls for each, all alike: only so many of them are refused.
const SCANNED_MAX: usize = 40;

/// What the thread that answers has seen.
#[derive(Default)]
struct Seen {
    count: usize,
    /// Calls about some process by its pid.
    scanned: usize,
    call: Option<String>,
    is_over: bool,
}

/// Runs `command` under `refusal`. `None` where this system has no such filter. What it has started goes on under the filter,
/// with every call allowed, for as long as this process lives.
pub(crate) fn run_refused(command: &mut Command, refusal: Refusal) -> Option<Refused> {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let filter = filter(refusal.calls);
    let sender = theirs.try_clone().expect("a copy");
    #[expect(unsafe_code, reason = "the filter is set between fork and exec")]
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || send(&sender, set(&filter)?));
    }
    let outputs = [tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file")];
    command.stdout(outputs[0].try_clone().expect("a copy")).stderr(outputs[1].try_clone().expect("a copy"));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let program = std::path::PathBuf::from(command.get_program()).canonicalize().expect("our program");
    // It must answer from the very first call, and spawn returns only after the exec.
    let server = std::thread::spawn({
        let seen = Arc::clone(&seen);
        move || receive(&ours).map(|listener| serve(&listener, &program, refusal, &seen))
    });
    let spawned = command.spawn();
    drop(theirs);
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM | Errno::INVAL)) => {
            return None;
        }
        Err(error) => panic!("it starts: {error}"),
    };
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("our own child");
            panic!("it hangs, {refusal:?}: {:?}", seen.lock().expect("no panic").call);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    drop(server);
    let mut seen = seen.lock().expect("no panic");
    seen.is_over = true;
    let [stdout, stderr] = outputs.map(read_whole);
    Some(Refused { ran: Ran { code: status.code(), stdout, stderr }, call: seen.call.take() })
}

fn read_whole(mut file: File) -> String {
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).expect("a file");
    file.read_to_end(&mut bytes).expect("a file");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program that asks us about `calls` and allows all others (seccomp(2), "Filters"): load the number, compare, return.
fn filter(calls: Calls) -> Vec<libc::sock_filter> {
    let instruction = |code: u32, jt: usize, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("16 bits"),
        jt: u8::try_from(jt).expect("few calls"),
        jf: 0,
        k,
    };
    let count = calls.len();
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    program.extend(calls.iter().enumerate().map(|(at, (_, number))| {
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, count - at, u32::try_from(*number).expect("a number"))
    }));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// Sets the filter for this process and all that it starts; returns the descriptor by which calls are answered.
#[expect(unsafe_code, reason = "there is no safe call for it")]
fn set(filter: &[libc::sock_filter]) -> std::io::Result<OwnedFd> {
    rustix::thread::set_no_new_privs(true)?;
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).expect("short"), filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program is alive during the call, and what comes back is a new descriptor or an error.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            std::ptr::from_ref(&program),
        )
    };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is ours alone.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(i32::try_from(fd).expect("a descriptor")) })
}

fn send(socket: &UnixStream, listener: OwnedFd) -> std::io::Result<()> {
    let fds = [listener.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// `None` if the child could not set its filter.
fn receive(socket: &UnixStream) -> Option<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).expect("our own socket");
    control.drain().find_map(
        |message| {
            if let RecvAncillaryMessage::ScmRights(mut fds) = message { fds.next() } else { None }
        },
    )
}

/// Answers until nobody is left who could ask.
fn serve(listener: &OwnedFd, program: &std::path::Path, refusal: Refusal, seen: &Mutex<Seen>) {
    while let Some(asked) = next_asked(listener) {
        let mut error = 0;
        if is_ours(&asked, program) {
            let mut seen = seen.lock().expect("no panic");
            let is_scan = is_about_a_pid(&words(&asked, refusal.calls));
            seen.scanned += usize::from(is_scan);
            if is_scan && seen.scanned > SCANNED_MAX {
                drop(seen);
                answer(listener, asked.id, 0);
                continue;
            }
            seen.count += 1;
            let is_due = seen.count == refusal.nth || (refusal.is_lasting && seen.count > refusal.nth);
            if is_due && !seen.is_over {
                error = -refusal.errno.raw_os_error();
                seen.call.get_or_insert_with(|| words(&asked, refusal.calls));
            }
        }
        answer(listener, asked.id, error);
    }
}

/// The next call that waits for an answer; `None` once there is nobody left.
#[expect(unsafe_code, reason = "there is no safe call for it")]
fn next_asked(listener: &OwnedFd) -> Option<libc::seccomp_notif> {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let mut polled = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut polled, None) {
            Ok(_) if polled[0].revents().contains(PollFlags::IN) => {}
            Ok(_) => return None,
            Err(Errno::INTR) => continue,
            Err(error) => panic!("it can be waited for: {error}"),
        }
        // SAFETY: all zeroes is what the kernel asks for, and it writes one such value.
        let (done, asked) = unsafe {
            let mut asked: libc::seccomp_notif = std::mem::zeroed();
            let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
            (libc::ioctl(listener.as_raw_fd(), request, std::ptr::from_mut(&mut asked)), asked)
        };
        // Who was killed meanwhile asks no more.
        if done == 0 {
            return Some(asked);
        }
    }
}

/// Lets the call pass, or answers with `error`, a negative number.
#[expect(unsafe_code, reason = "there is no safe call for it")]
fn answer(listener: &OwnedFd, id: u64, error: i32) {
    let flags = if error == 0 { u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).expect("a bit") } else { 0 };
    let response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the kernel reads one such value. That who asked is gone means nothing.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, std::ptr::from_ref(&response)) };
}

/// Whether our program asks, and not a service or a probe; and not about its words to whoever called it.
fn is_ours(asked: &libc::seccomp_notif, program: &std::path::Path) -> bool {
    let is_ours = std::fs::read_link(format!("/proc/{}/exe", asked.pid)).is_ok_and(|exe| exe == program);
    let is_word = i64::from(asked.data.nr) == libc::SYS_write && matches!(asked.data.args[0], 1 | 2);
    is_ours && (!is_word || is_shim(asked.pid))
}

fn is_shim(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"minions-shim"))
}

/// Who called what, with the paths and the files of its first two arguments.
fn words(asked: &libc::seccomp_notif, calls: Calls) -> String {
    let name = calls.iter().find(|(_, number)| *number == c_long::from(asked.data.nr)).map_or("?", |(name, _)| name);
    let who = if is_shim(asked.pid) { "the shim" } else { "the command" };
    let args = [0, 1, 3].map(|at| argument(asked.pid, asked.data.args[at]));
    format!("{name}({}) of {who}", args.concat().trim_end_matches(", "))
}

/// Whether a call, in words, is about a file of the process table that belongs to one process: `/proc/4711/stat`.
fn is_about_a_pid(words: &str) -> bool {
    let mut parts = words.split(['(', ' ', ',']).filter_map(|part| part.strip_prefix("/proc/"));
    parts.any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// What an argument names: a path in the caller's memory, or the file of a small number.
fn argument(pid: u32, value: u64) -> String {
    if value < 3 {
        return String::new();
    }
    if value < 1024 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{value}")).unwrap_or_default();
        return format!("{value} {}, ", target.display());
    }
    let mut bytes = [0; 256];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_at(&mut bytes, value));
    let text = bytes[..read.unwrap_or(0)].split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.contains('/'))
        .map_or_else(String::new, |text| format!("{text}, "))
}
