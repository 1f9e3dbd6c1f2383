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
    /// The pid namespace that `pid` counts in, by its inode number: that of `/proc/self/ns/pid` (pid_namespaces(7)). A folder may be
    /// shared with a container, where the same pid is another process. `None`: nobody wrote it down, or the system has none;
    /// then the pid counts here.
    pub pid_namespace: Option<u64>,
}

impl Identity {
    /// Whether both name one process, as far as both tell: one of old does not say its namespace.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self { pid, start_ticks, boot_id, pid_namespace } = self;
        let of_other = (other.pid, other.start_ticks, other.boot_id.as_str());
        (*pid, *start_ticks, boot_id.as_str()) == of_other && !is_known_to_differ(*pid_namespace, other.pid_namespace)
    }
}

/// Whether two namespaces are known, and not one.
fn is_known_to_differ(one: Option<u64>, other: Option<u64>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// Three values, not two: what cannot be seen is not dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// The very process is there.
    Alive,
    /// Proven gone: no such pid, a zombie, another start time, or another boot.
    Dead,
    /// It cannot be told: no permission, the listing failed, or its pid counts in another pid namespace.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_is_one_only_in_one_namespace() {
        let identity = |pid_namespace| Identity { pid: 7, start_ticks: 1, boot_id: "b".into(), pid_namespace };
        let check = |one, other, expected| {
            assert_eq!(identity(one).is_same_as(&identity(other)), expected, "{one:?} {other:?}");
        };
        for (one, other, expected) in [
            (None, None, true),
            (Some(1), None, true),
            (None, Some(1), true),
            (Some(1), Some(1), true),
            (Some(1), Some(2), false),
        ] {
            check(one, other, expected);
        }
        let me = identity(Some(1));
        assert!(!me.is_same_as(&Identity { pid: 8, ..me.clone() }));
        assert!(!me.is_same_as(&Identity { start_ticks: 2, ..me.clone() }));
        assert!(!me.is_same_as(&Identity { boot_id: "c".into(), ..me.clone() }));
    }
}
