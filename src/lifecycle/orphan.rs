//! What becomes of a generation that left files behind and stands in no record.

use crate::service::{Liveness, Status};

use super::sweep::Life;

/// What was observed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Its service.
    pub life: &'a Life,
    /// Its shim.
    pub shim: Liveness,
    /// Why it can't have its record back, if so: another service has its name, its time to live is over …
    pub obstacle: Option<&'a str>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing: it cannot be told who lives.
    Keep,
    /// Its service gets its record back.
    Adopt,
    /// End it, then remove its files.
    Stop,
    /// Make sure that nothing of it is left, then remove its files.
    Forget,
}

impl Action {
    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Adopt => "adopt",
            Self::Stop => "stop",
            Self::Forget => "forget",
        }
    }
}

/// Chooses, and says why. Total over life × shim × obstacle.
pub fn decide(facts: Facts<'_>) -> (Action, String) {
    match (facts.life, facts.shim, facts.obstacle) {
        (Life::Unknown, _, _) | (_, Liveness::Unknown, _) => {
            (Action::Keep, "it is in no record, and it cannot be told whether it lives".into())
        }
        (Life::Alive, _, None) => (Action::Adopt, "it runs, and is in no record".into()),
        (Life::Alive, _, Some(why)) => (Action::Stop, format!("it runs, is in no record, and {why}")),
        (Life::Dead(_) | Life::NotStarted, Liveness::Alive, _) => {
            (Action::Stop, "its shim lives on, and it is in no record".into())
        }
        (Life::Dead(_) | Life::NotStarted, Liveness::Dead, _) => {
            (Action::Forget, "it is over, and only its files are left".into())
        }
    }
}

/// Chooses for a service without a process of which only a copy of its record is left: why that can't be read, if so, and why it
/// can't have its record back.
pub fn decide_at_rest(record: Result<Status, &str>, obstacle: Option<&str>) -> (Action, String) {
    match (record, obstacle) {
        (Err(why), _) => (Action::Keep, format!("it is in no record, and the copy of that cannot be read: {why}")),
        (Ok(_), Some(why)) => (Action::Forget, format!("it is in no record, and {why}")),
        (Ok(status), None) => (Action::Adopt, format!("it is `{}`, and in no record", status.word())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::Death;
    use super::*;

    #[test]
    fn who_is_at_rest_comes_back_unless_something_is_in_its_way() {
        for status in Status::ALL {
            assert_eq!(decide_at_rest(Ok(status), None).0, Action::Adopt);
            assert_eq!(decide_at_rest(Ok(status), Some("its time is over")).0, Action::Forget);
        }
        assert_eq!(decide_at_rest(Err("torn"), None).0, Action::Keep);
        assert_eq!(decide_at_rest(Err("torn"), Some("its time is over")).0, Action::Keep);
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        let lives = [Life::NotStarted, Life::Alive, Life::Dead(Death::Gone), Life::Unknown];
        for life in &lives {
            for shim in [Liveness::Alive, Liveness::Dead, Liveness::Unknown] {
                for obstacle in [None, Some("its time is over")] {
                    let is_alive = *life == Life::Alive;
                    let expected = if *life == Life::Unknown || shim == Liveness::Unknown {
                        Action::Keep
                    } else if is_alive && obstacle.is_none() {
                        Action::Adopt
                    } else if is_alive || shim == Liveness::Alive {
                        Action::Stop
                    } else {
                        Action::Forget
                    };
                    let (action, why) = decide(Facts { life, shim, obstacle });
                    assert_eq!(action, expected, "{life:?} {shim:?} {obstacle:?}");
                    assert_eq!(why.contains("its time is over"), is_alive && action == Action::Stop, "{why}");
                }
            }
        }
    }
}
