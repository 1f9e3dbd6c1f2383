//! The smallest sidecar that would pass, for whoever's was rejected.

use serde_json::json;

use super::Expectations;
use crate::config::Settings;

/// The smallest sidecar that passes under `settings` and meets `expectations`, as indented JSON to start from. Under an
/// empty executableAllowlist nothing passes; the shape then still shows the form.
pub fn smallest_passing_shape(settings: &Settings, expectations: &Expectations<'_>) -> String {
    let cmd = settings.executable_allowlist.first().map_or("node", String::as_str);
    let name = if settings.max_name_length < 3 { "w" } else { "web" };
    let mut shape = json!({ "specs": [{
        "name": name,
        "cmd": cmd,
        "healthcheck": { "type": "http", "url": "http://127.0.0.1:3000/", "expect_status": 200, "timeout_s": 60 },
    }] });
    for (key, value) in [("written_by", expectations.agent), ("wi_id", expectations.work_item)] {
        if let Some(value) = value {
            shape[key] = json!(value);
        }
    }
    format!("{shape:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts};
    use crate::sidecar::{Judge, System, decide_with_schema};

    #[test]
    fn the_smallest_shape_passes_under_any_settings() {
        let strict = Settings {
            max_name_length: 1,
            max_specs_per_file: 1,
            max_args_count: 0,
            env_policy: EnvPolicy::Denylist,
            executable_path_policy: ExecutablePathPolicy::Trusted,
            healthcheck_hosts: HealthcheckHosts::Loopback,
            executable_allowlist: vec!["deno".into()],
            ..Settings::default()
        };
        for settings in [Settings::default(), strict] {
            let expectations = Expectations { agent: Some("ripley"), work_item: Some("W-1"), dispatch_root: None };
            let shape = smallest_passing_shape(&settings, &expectations);
            let judge = Judge::new(&settings).unwrap();
            let verdict = decide_with_schema(shape.as_bytes(), &judge, &expectations, &System::default());
            assert_eq!(verdict.reason(), None, "{shape}");
        }
    }
}
