//! The direct children of this process, without a look at the whole process table. Impure: asks the system.

use std::io;

#[cfg(linux_calls)]
use crate::base::ids::own_pid;

/// The children of this process, also those that have ended and are not reaped. For a process of one thread which alone reaps
/// them the list is whole: meanwhile it can only grow.
#[cfg(linux_calls)]
pub fn observe_children() -> io::Result<Vec<u32>> {
    let me = own_pid();
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        let all = world.processes()?;
        return Ok(all.into_iter().filter(|process| process.parent == me).map(|process| process.pid).collect());
    }
    let listed = crate::base::files::read_pseudo(format!("/proc/self/task/{me}/children"))?;
    let odd = || io::Error::other("the list of children is no list of numbers");
    let text = String::from_utf8(listed).map_err(|_| odd())?;
    text.split_whitespace().map(|pid| pid.parse().map_err(|_| odd())).collect()
}

/// The children of this process: elsewhere there is no such list.
#[cfg(not(linux_calls))]
pub fn observe_children() -> io::Result<Vec<u32>> {
    Err(io::ErrorKind::Unsupported.into())
}
