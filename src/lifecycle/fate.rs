//! What becomes of the record of a service that has ended, by the verdict of its restart policy.

use crate::base::clock::EpochMs;
use crate::service::{Activation, Lifecycle, Progress, RestartMode};

use super::restart::Verdict;

/// What becomes of the record of a service that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `backoff`: it is started again.
    Again {
        /// When: now or later.
        at: EpochMs,
        /// Its history.
        progress: Progress,
    },
    /// `failed`: it stays until its time to live is over.
    Failed {
        /// Its history.
        progress: Progress,
        /// Why, in one sentence.
        why: String,
    },
    /// `stopped`: it has done its work until somebody needs it again.
    Stopped,
    /// Nothing brings it back: the record goes.
    Gone,
}

/// What becomes of the record, by the verdict. What is on-demand stays: somebody may need it again.
pub fn fate(lifecycle: &Lifecycle, progress: &Progress, verdict: Verdict) -> Fate {
    match (verdict, lifecycle.activation) {
        (Verdict::Again { at, progress }, Activation::Always | Activation::OnDemand) => Fate::Again { at, progress },
        (Verdict::GiveUp { progress, why }, Activation::Always | Activation::OnDemand) => {
            Fate::Failed { progress, why }
        }
        (Verdict::Over { is_success: true | false }, Activation::Always) => Fate::Gone,
        (Verdict::Over { is_success: true }, Activation::OnDemand) => Fate::Stopped,
        (Verdict::Over { is_success: false }, Activation::OnDemand) => Fate::Failed {
            progress: Progress { next_at: None, ..progress.clone() },
            why: "it has no restart policy that starts it again".into(),
        },
    }
}

/// Whether the record of a service that is dead may have to stay: its policy starts it again, or somebody may need it.
pub fn is_kept(lifecycle: &Lifecycle) -> bool {
    let mode = lifecycle.restart.as_ref().map_or(RestartMode::Never, |policy| policy.mode);
    mode != RestartMode::Never || lifecycle.activation == Activation::OnDemand
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::RestartPolicy;

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    fn failed(times: u32) -> Progress {
        Progress { failures_in_row: times, ..Progress::default() }
    }

    fn policy(mode: RestartMode) -> RestartPolicy {
        RestartPolicy { mode, ..RestartPolicy::default() }
    }

    #[test]
    fn every_verdict_has_its_fate() {
        let progress = Progress { next_at: Some(NOW), ..failed(2) };
        let of = |activation, verdict: &Verdict| {
            fate(&Lifecycle { activation, ..Lifecycle::default() }, &progress, verdict.clone())
        };
        for activation in [Activation::Always, Activation::OnDemand] {
            let again = Verdict::Again { at: NOW, progress: progress.clone() };
            assert_eq!(of(activation, &again), Fate::Again { at: NOW, progress: progress.clone() });
            let given_up = Verdict::GiveUp { progress: failed(3), why: "often".into() };
            assert_eq!(of(activation, &given_up), Fate::Failed { progress: failed(3), why: "often".into() });
        }
        for is_success in [true, false] {
            assert_eq!(of(Activation::Always, &Verdict::Over { is_success }), Fate::Gone);
        }
        assert_eq!(of(Activation::OnDemand, &Verdict::Over { is_success: true }), Fate::Stopped);
        let failed = of(Activation::OnDemand, &Verdict::Over { is_success: false });
        assert!(matches!(failed, Fate::Failed { progress, .. } if progress.next_at.is_none()));
    }

    #[test]
    fn who_may_come_back_is_kept() {
        for activation in [Activation::Always, Activation::OnDemand] {
            for mode in [None, Some(RestartMode::Never), Some(RestartMode::OnFailure), Some(RestartMode::Always)] {
                let lifecycle = Lifecycle { activation, restart: mode.map(policy), ..Lifecycle::default() };
                let comes_back = matches!(mode, Some(RestartMode::OnFailure | RestartMode::Always));
                assert_eq!(is_kept(&lifecycle), comes_back || activation == Activation::OnDemand, "{lifecycle:?}");
            }
        }
    }
}
