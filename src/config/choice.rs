//! Settings that are one of a few words: the words of each, and which value each stands for.

use super::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, ListenerProof, LogLevel, Settings};

/// A setting that is one of a few words.
pub(super) struct Choice {
    /// Every word, the default first.
    pub(super) words: &'static [&'static str],
    /// The word in force.
    pub(super) word: fn(&Settings) -> &'static str,
    /// Sets the value of a word; false if there is no such word.
    pub(super) set: fn(&mut Settings, &str) -> bool,
}

/// Stores `value` if there is one, and says whether there was.
fn put<T>(place: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            *place = value;
            true
        }
        None => false,
    }
}

impl EnvPolicy {
    pub(super) const CHOICE: Choice = Choice {
        words: &["allowlist", "denylist"],
        word: |settings| settings.env_policy.word(),
        set: |settings, word| {
            put(&mut settings.env_policy, [Self::Allowlist, Self::Denylist].into_iter().find(|v| v.word() == word))
        },
    };

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowlist => "allowlist",
            Self::Denylist => "denylist",
        }
    }
}

impl ExecutablePathPolicy {
    pub(super) const CHOICE: Choice = Choice {
        words: &["any", "trusted"],
        word: |settings| settings.executable_path_policy.word(),
        set: |settings, word| {
            put(&mut settings.executable_path_policy, [Self::Any, Self::Trusted].into_iter().find(|v| v.word() == word))
        },
    };

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Trusted => "trusted",
        }
    }
}

impl HealthcheckHosts {
    pub(super) const CHOICE: Choice = Choice {
        words: &["any", "loopback"],
        word: |settings| settings.healthcheck_hosts.word(),
        set: |settings, word| {
            put(&mut settings.healthcheck_hosts, [Self::Any, Self::Loopback].into_iter().find(|v| v.word() == word))
        },
    };

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Loopback => "loopback",
        }
    }
}

impl ListenerProof {
    pub(super) const CHOICE: Choice = Choice {
        words: &["prefer", "require", "off"],
        word: |settings| settings.listener_proof.word(),
        set: |settings, word| {
            let all = [Self::Prefer, Self::Require, Self::Off];
            put(&mut settings.listener_proof, all.into_iter().find(|value| value.word() == word))
        },
    };

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::Off => "off",
        }
    }
}

impl LogLevel {
    const ALL: [Self; 6] = [Self::Warn, Self::Off, Self::Error, Self::Info, Self::Debug, Self::Trace];

    pub(super) const CHOICE: Choice = Choice {
        words: &["warn", "off", "error", "info", "debug", "trace"],
        word: |settings| settings.log_level.word(),
        set: |settings, word| put(&mut settings.log_level, Self::ALL.into_iter().find(|value| value.word() == word)),
    };

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Off => "off",
            Self::Error => "error",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_sets_the_value_that_shows_it_and_the_first_is_the_default() {
        for choice in [
            EnvPolicy::CHOICE,
            ExecutablePathPolicy::CHOICE,
            HealthcheckHosts::CHOICE,
            ListenerProof::CHOICE,
            LogLevel::CHOICE,
        ] {
            assert_eq!((choice.word)(&Settings::default()), choice.words[0]);
            for word in choice.words {
                let mut settings = Settings::default();
                assert!((choice.set)(&mut settings, word));
                assert_eq!((choice.word)(&settings), *word);
            }
            assert!(!(choice.set)(&mut Settings::default(), "Any "));
        }
    }
}
