//! What children must not inherit. Impure: changes marks of this process's own descriptors.

/// Marks every descriptor of this process but the first three close-on-exec. Rust marks what it opens itself; this is for
/// what our caller left open on purpose or by mistake: a probe command must not keep an agent's pipe or lock alive.
#[cfg(linux_calls)]
#[expect(unsafe_code, reason = "descriptors that Rust does not know")]
pub fn seal_descriptors() {
    const FIRST: u32 = 3;
    // SAFETY: nothing is closed; a mark on a descriptor changes nothing but what an exec keeps, and this program hands
    // descriptors on as stdin, stdout and stderr only.
    let sealed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if sealed == 0 {
        return;
    }
    // Kernels before 5.11: one by one, from the list that the kernel keeps.
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let open: Vec<i32> = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| u32::try_from(*fd).is_ok_and(|fd| fd >= FIRST)) {
        // SAFETY: as above; a descriptor that is closed already is only an error that we ignore.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Marks every descriptor of this process but the first three close-on-exec, one by one.
#[cfg(not(linux_calls))]
pub fn seal_descriptors() {
    const FIRST: u32 = 3;
    for fd in open_descriptors(FIRST) {
        // One that another thread has closed meanwhile is only an error that we ignore.
        let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
    }
}

/// The open descriptors from `first` on, as macOS and the BSDs list them in `/dev/fd` (fd(4)).
#[cfg(not(linux_calls))]
#[expect(unsafe_code, reason = "descriptors that Rust does not know")]
pub(super) fn open_descriptors(first: u32) -> Vec<std::os::fd::BorrowedFd<'static>> {
    let listed = std::fs::read_dir("/dev/fd").into_iter().flatten();
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<std::os::fd::RawFd>().ok());
    let numbers: Vec<_> = numbers.filter(|fd| u32::try_from(*fd).is_ok_and(|fd| fd >= first)).collect();
    // SAFETY: nothing is done with what is not open (any more): the one by which the list was read is among them.
    let borrowed = numbers.into_iter().map(|fd| unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) });
    borrowed.filter(|fd| rustix::io::fcntl_getfd(fd).is_ok()).collect()
}
