//! How a service is to live, as it was declared: what it waits for, when it is started anew, when it sleeps, how it is
//! stopped (contract section 8). All of it is optional, and absent it means what a service without it always did.

use std::time::Duration;

/// Probes in a row that must fail, after the first pass, before a service counts as unhealthy.
pub const FAILURE_THRESHOLD: u32 = 3;

/// The lifecycle fields of a spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lifecycle {
    /// Declared names of services in the same file that must be healthy before this one is started; each once.
    pub depends_on: Vec<String>,
    /// When it is started anew; `None`: never, and its record goes once it is dead.
    pub restart: Option<RestartPolicy>,
    /// Whether it is started when accepted, or when wanted.
    pub activation: Activation,
    /// Seconds without use after which it is stopped; `None`: never.
    pub idle_stop_s: Option<f64>,
    /// How it is stopped.
    pub stop: StopPolicy,
}

/// When a service is started anew, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    /// After which ends.
    pub mode: RestartMode,
    /// Seconds to wait after the first failure in a row, the second …; the last counts for all further ones. Never empty.
    pub backoff_s: Vec<f64>,
    /// Seconds of healthy running after which the count of failures starts anew.
    pub reset_after_s: f64,
    /// Most automatic starts within the window; one more, and the service is given up.
    pub max_restarts: u32,
    /// Seconds that the window is long.
    pub window_s: f64,
    /// Exit codes that are no failure.
    pub success_exit_codes: Vec<i32>,
    /// Wait between half and the whole of the backoff, so that many services do not start at once.
    pub jitter: bool,
    /// Start anew after a day of running, once nobody uses it.
    pub daily: bool,
    /// Start anew once something it was built from has changed and nobody uses it.
    pub on_update: bool,
}

impl Default for RestartPolicy {
    /// The defaults of contract section 8; the policy itself has none there and is `never` here.
    fn default() -> Self {
        Self {
            mode: RestartMode::Never,
            backoff_s: vec![1.0, 2.0, 4.0, 8.0, 16.0, 30.0],
            reset_after_s: 600.0,
            max_restarts: 10,
            window_s: 300.0,
            success_exit_codes: vec![0],
            jitter: false,
            daily: false,
            on_update: false,
        }
    }
}

impl RestartPolicy {
    /// The wait before the start after the failure with that number in a row, counted from 0, without jitter. What is no
    /// time counts as none, so that a file edited by hand cannot end a shim.
    pub fn backoff(&self, failures_before: u32) -> Duration {
        let at = usize::try_from(failures_before).unwrap_or(usize::MAX).min(self.backoff_s.len().saturating_sub(1));
        self.backoff_s.get(at).map_or(Duration::ZERO, |wait_s| seconds(*wait_s))
    }

    /// How long a service must have been healthy for its failures to be forgotten.
    pub fn reset_after(&self) -> Duration {
        seconds(self.reset_after_s)
    }

    /// How long an automatic start counts against `max_restarts`.
    pub fn window(&self) -> Duration {
        seconds(self.window_s)
    }
}

/// `seconds` as a duration; none for what is no time, as a file edited by hand may hold it.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// Defines an enum of words: every value once, its word beside it.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident $word:literal)* }) => {
        $(#[$doc])*
        pub enum $name { $($(#[$about])* $variant),* }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// Their words, in the same order.
            pub const WORDS: &[&str] = &[$($word),*];

            /// The word in files and output.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The value of that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }
    };
}

words! {
    /// After which ends a service is started anew.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    RestartMode {
        /// After none.
        Never "never"
        /// After a signal, a code that is no success, an end that nobody saw, or a run of failed probes.
        OnFailure "on-failure"
        /// After every end that nobody asked for.
        Always "always"
    }
}

words! {
    /// When a service is first started.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    Activation {
        /// When it is accepted.
        #[default]
        Always "always"
        /// When somebody asks for it (`ensure`), or a service that depends on it is started.
        OnDemand "on-demand"
    }
}

words! {
    /// What becomes of a service whose probes fail after the first pass.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    OnUnhealthy {
        /// It is started anew.
        Restart "restart"
        /// It is said, no more.
        #[default]
        Report "report"
    }
}

words! {
    /// The signals that may ask a service to end.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    StopSignal {
        /// The usual one.
        #[default]
        Term "SIGTERM"
        /// As from a terminal's Ctrl-C.
        Int "SIGINT"
        /// As from a terminal's Ctrl-\.
        Quit "SIGQUIT"
        /// As when a terminal goes.
        Hup "SIGHUP"
        /// Of the program's own meaning.
        Usr1 "SIGUSR1"
        /// Of the program's own meaning.
        Usr2 "SIGUSR2"
        /// At once, without a chance to clean up.
        Kill "SIGKILL"
    }
}

/// How a service is asked to end, and how long it may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StopPolicy {
    /// The first signal; `None`: SIGTERM.
    pub signal: Option<StopSignal>,
    /// Seconds from then to SIGKILL; `None`: the setting `stopGraceSec`.
    pub grace_s: Option<f64>,
}

impl StopPolicy {
    /// The signal that asks it to end.
    pub fn signal(&self) -> StopSignal {
        self.signal.unwrap_or_default()
    }

    /// The time between that signal and SIGKILL, where `setting` is what the settings say.
    pub fn grace(&self, setting: Duration) -> Duration {
        self.grace_s.map_or(setting, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nth_failure_waits_the_nth_time_and_further_ones_the_last() {
        let check = |backoff_s: &[f64], waits_ms: &[u64]| {
            let policy = RestartPolicy { backoff_s: backoff_s.to_vec(), ..RestartPolicy::default() };
            for (failures, wait_ms) in (0..).zip(waits_ms) {
                assert_eq!(policy.backoff(failures), Duration::from_millis(*wait_ms), "{backoff_s:?} after {failures}");
            }
            assert_eq!(policy.backoff(u32::MAX), Duration::from_millis(*waits_ms.last().unwrap()));
        };
        check(&[5.0, 30.0, 120.0], &[5_000, 30_000, 120_000, 120_000]);
        check(&[0.25], &[250, 250]);
        check(&RestartPolicy::default().backoff_s, &[1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        // No verdict lets these pass, but a file may hold them.
        check(&[], &[0, 0]);
        check(&[-1.0, f64::NAN, 1e300], &[0, 0, 0]);
    }

    #[test]
    fn words_are_told_apart_and_come_back() {
        for mode in RestartMode::ALL {
            assert_eq!(RestartMode::parse(mode.word()), Some(*mode));
        }
        for signal in StopSignal::ALL {
            assert_eq!(StopSignal::parse(signal.word()), Some(*signal));
        }
        assert_eq!((RestartMode::parse("Always"), StopSignal::parse("TERM")), (None, None));
        assert_eq!(Activation::WORDS, ["always", "on-demand"]);
        assert_eq!(OnUnhealthy::WORDS, ["restart", "report"]);
    }

    #[test]
    fn stop_without_words_is_the_settings() {
        let setting = Duration::from_secs(5);
        assert_eq!((StopPolicy::default().signal(), StopPolicy::default().grace(setting)), (StopSignal::Term, setting));
        let own = StopPolicy { signal: Some(StopSignal::Int), grace_s: Some(0.5) };
        assert_eq!((own.signal(), own.grace(setting)), (StopSignal::Int, Duration::from_millis(500)));
    }
}
