//! The settings: whether they are taken, and whether they leave what is secret unhidden.

use crate::base::error::{Error, Result};
use crate::base::root::Root;
use crate::config::{self, Loaded, Settings};

use super::finding::{Area, Finding, counted, listed};

pub(super) fn observe(root: &Root) -> Result<Loaded> {
    config::load(&root.config())
}

pub(super) fn judge(loaded: std::result::Result<&Loaded, &Error>) -> Vec<Finding> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let finding = Area::Settings.error("settings-refused", error.chain());
            let hint = error.hint.clone().unwrap_or_else(|| "every setting: docs/configuration.md".to_owned());
            return vec![finding.with_hint(format!("{hint}; until then every command but this one ends with it"))];
        }
    };
    let message = match loaded.from_file.len() {
        0 => "every setting has its default".to_owned(),
        count => format!("the settings are taken; {} from the file", counted(count, "comes", "come")),
    };
    let mut findings = vec![Area::Settings.ok("settings-taken", message).at(&loaded.file)];
    findings.extend(judge_values(&loaded.settings).into_iter().map(|finding| finding.at(&loaded.file)));
    findings
}

fn judge_values(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !settings.enabled {
        let message = "services are switched off (`enabled` is false): nothing is started";
        findings.push(Area::Settings.note("settings-disabled", message));
    }
    let defaults = Settings::default();
    let is_missing = |pattern: &&String| !settings.env_key_deny_patterns.contains(pattern);
    let missing: Vec<&String> = defaults.env_key_deny_patterns.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        let message = format!(
            "`envKeyDenyPatterns` lacks {} of the built-in patterns, so that values of such keys are shown: {}",
            missing.len(),
            listed(&missing)
        );
        let hint = "put them back: the setting replaces the built-in list";
        findings.push(Area::Settings.warning("deny-patterns-missing", message).with_hint(hint));
    }
    if settings.executable_allowlist.is_empty() {
        let message = "`executableAllowlist` is empty: no sidecar can be valid";
        findings.push(Area::Settings.warning("allowlist-empty", message).with_hint("name the programs that may run"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_weaken_what_is_promised_are_said() {
        let check = |change: fn(&mut Settings), expected: &[&str]| {
            let mut settings = Settings::default();
            change(&mut settings);
            let codes: Vec<&str> = judge_values(&settings).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        check(|_| (), &[]);
        check(|settings| settings.enabled = false, &["settings-disabled"]);
        check(|settings| drop(settings.env_key_deny_patterns.pop()), &["deny-patterns-missing"]);
        check(|settings| settings.env_key_deny_patterns.push("^X_".into()), &[]);
        check(|settings| settings.executable_allowlist.clear(), &["allowlist-empty"]);
    }

    #[test]
    fn refused_settings_are_an_error_with_the_reason() {
        let refused = config::from_bytes("/r/config.json".as_ref(), br#"{"engine":{"managedSpawn":{"enabeld":1}}}"#);
        let findings = judge(refused.as_ref());
        assert_eq!((findings.len(), findings[0].code), (1, "settings-refused"));
        assert!(findings[0].message.contains("enabeld"), "{findings:?}");
    }
}
