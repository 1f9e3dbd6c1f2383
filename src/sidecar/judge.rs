//! The settings as the rules ask them: looked up, not searched. Built once, used for every sidecar.

use std::collections::HashSet;
use std::sync::OnceLock;

use regex::{RegexSet, RegexSetBuilder};

use super::{allowlist::Allowlist, schema};
use crate::base::error::{Error, Kind};
use crate::config::{EnvPolicy, Settings};

/// A judge of sidecars under given settings.
pub struct Judge {
    pub(super) settings: Settings,
    pub(super) commands: Allowlist,
    env_keys: EnvKeys,
    schema: OnceLock<jsonschema::Validator>,
}

/// How an env key is thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyVerdict {
    Fine,
    NotOnAllowlist,
    Malformed,
    Denied,
}

enum EnvKeys {
    Allowed { keys: HashSet<String>, prefixes: Vec<String> },
    AllBut { denied: RegexSet, overrides: HashSet<String> },
}

impl Judge {
    /// A judge under `settings`. Errors: a deny pattern that is no regular expression (`config-invalid`), which loading
    /// the settings has refused already.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let env_keys = match settings.env_policy {
            EnvPolicy::Allowlist => EnvKeys::Allowed {
                keys: settings.env_key_allowlist.iter().cloned().collect(),
                prefixes: settings.env_key_allowlist_prefixes.clone(),
            },
            EnvPolicy::Denylist => EnvKeys::AllBut {
                denied: RegexSetBuilder::new(&settings.env_key_deny_patterns).case_insensitive(true).build().map_err(
                    |error| Error {
                        source: Some(error.into()),
                        ..Error::new(
                            Kind::Usage,
                            "config-invalid",
                            "an entry of envKeyDenyPatterns is no regular expression",
                        )
                    },
                )?,
                overrides: settings.env_key_deny_overrides.iter().cloned().collect(),
            },
        };
        Ok(Self {
            settings: settings.clone(),
            commands: Allowlist::new(&settings.executable_allowlist),
            env_keys,
            schema: OnceLock::new(),
        })
    }

    /// The JSON Schema under these settings, compiled when it is first asked for.
    pub(super) fn schema(&self) -> &jsonschema::Validator {
        self.schema.get_or_init(|| schema::compiled(&self.settings))
    }

    /// What is thought of the env key `key` (contract section 2, envPolicy).
    pub(super) fn env_key(&self, key: &str) -> KeyVerdict {
        match &self.env_keys {
            EnvKeys::Allowed { keys, prefixes } => {
                if !keys.contains(key) && !prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())) {
                    return KeyVerdict::NotOnAllowlist;
                }
                if is_posix_name(key) { KeyVerdict::Fine } else { KeyVerdict::Malformed }
            }
            EnvKeys::AllBut { denied, overrides } => {
                if !is_posix_name(key) {
                    return KeyVerdict::Malformed;
                }
                let is_denied = denied.is_match(key) && !overrides.contains(key);
                if is_denied { KeyVerdict::Denied } else { KeyVerdict::Fine }
            }
        }
    }
}

/// Whether `key` is a name in the sense of POSIX.1-2017, Base Definitions 3.235.
fn is_posix_name(key: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !key.is_empty() && key.bytes().all(word) && !key.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: EnvPolicy, key: &str, expected: KeyVerdict) {
        let judge = Judge::new(&Settings { env_policy: policy, ..Settings::default() }).unwrap();
        assert_eq!(judge.env_key(key), expected, "{policy:?} {key:?}");
    }

    #[test]
    fn the_allowlist_takes_its_keys_and_prefixes_only() {
        for key in ["PORT", "VITE_", "VITE_X", "npm_config_registry", "NEXT_PUBLIC_API_KEY"] {
            check(EnvPolicy::Allowlist, key, KeyVerdict::Fine);
        }
        for key in ["", "port", "CONSTELLATION", "xCONSTELLATION_X", "AWS_REGION", "1", "__proto__", "A B"] {
            check(EnvPolicy::Allowlist, key, KeyVerdict::NotOnAllowlist);
        }
        for key in ["VITE_A=B", "VITE_é", "npm_config_//registry", "VITE_\0"] {
            check(EnvPolicy::Allowlist, key, KeyVerdict::Malformed);
        }
    }

    #[test]
    fn the_denylist_takes_all_but_credentials() {
        for key in ["ANYTHING", "_x", "AWS_REGION", "PATH"] {
            check(EnvPolicy::Denylist, key, KeyVerdict::Fine);
        }
        for key in ["AWS_ACCESS_KEY_ID", "aws_x", "MY_TOKEN", "DB_PASSWORD", "GH_TOKEN"] {
            check(EnvPolicy::Denylist, key, KeyVerdict::Denied);
        }
        for key in ["", "1X", "A-B", "A=B"] {
            check(EnvPolicy::Denylist, key, KeyVerdict::Malformed);
        }
    }
}
