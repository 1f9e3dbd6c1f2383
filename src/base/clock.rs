//! Wall-clock time in milliseconds, and pauses. Impure: this is the one place that reads the clock and sleeps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01 UTC; the unit of every time in the state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochMs(pub i64);

impl EpochMs {
    /// Reads the wall clock. A clock before 1970 reads as 0.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now() -> Self {
        #[cfg(debug_assertions)]
        if let Some(world) = super::world::here() {
            return Self(world.now_ms());
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        #[cfg(debug_assertions)]
        let now = Self(now.0.saturating_add(set::by_ms()));
        now
    }

    /// The moment `span` later, without overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A wall clock that tests set while the program runs: by as many milliseconds as a file says. There is nothing of it in ordinary builds.
#[cfg(debug_assertions)]
pub mod set {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    /// A number.
    const BYTES_MAX: u64 = 32;

    static FILE: OnceLock<PathBuf> = OnceLock::new();

    /// From here on this process's wall clock is off by what `file` holds. The first call counts.
    pub fn follow(file: PathBuf) {
        drop(FILE.set(file));
    }

    /// By how much it is off at this moment.
    pub fn by_ms() -> i64 {
        let Some(file) = FILE.get() else { return 0 };
        let text = super::super::files::read_bounded(file, BYTES_MAX).unwrap_or_default();
        std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// Reads the monotonic clock, for waits and time limits.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    #[cfg(debug_assertions)]
    if let Some(world) = super::world::here() {
        static BEGINNING: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        return *BEGINNING.get_or_init(Instant::now) + world.uptime();
    }
    Instant::now()
}

/// How long it is since `earlier`, by the monotonic clock.
pub fn since(earlier: Instant) -> Duration {
    monotonic().saturating_duration_since(earlier)
}

/// Sleeps for `span`. Only for what nobody tells of and must be looked for again, within a bound: whoever calls says what that is.
#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub fn pause(span: Duration) {
    #[cfg(debug_assertions)]
    if let Some(world) = super::world::here() {
        return world.pause(span);
    }
    std::thread::sleep(span);
}
