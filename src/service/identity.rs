//! Who a process is, so that a recycled pid is never taken for the process that had it before.

/// Proof of one process's identity: its pid names it only together with when it started and in which boot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)). Elsewhere the
    /// portable backend's start time in seconds.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`: another boot is another world.
    pub boot_id: String,
}

/// Three values, not two: what cannot be seen is not dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// The very process is there.
    Alive,
    /// Proven gone: no such pid, a zombie, another start time, or another boot.
    Dead,
    /// It cannot be told: no permission, or the listing failed.
    Unknown,
}
