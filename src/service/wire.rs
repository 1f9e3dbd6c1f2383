//! The normalized JSON of a spec, as verdicts, the state file and the spec's hash all have it.

use serde_json::{Map, Number, Value, json};
use sha1::{Digest, Sha1};

use crate::base::hex::hex;

use super::{Healthcheck, Probe, Spec};

/// The normalized JSON of `spec`, every default filled in, keys in the order of the contract's example:
/// `{"name", "cmd", "args", "cwd", "env", "ports", "ttl_minutes", "attrs", "healthcheck"}`.
pub fn spec_json(spec: &Spec) -> Value {
    json!({
        "name": spec.name,
        "cmd": spec.cmd,
        "args": spec.args,
        "cwd": spec.cwd,
        "env": spec.env.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
        "ports": spec.ports,
        "ttl_minutes": spec.ttl_minutes,
        "attrs": spec.attrs,
        "healthcheck": healthcheck_json(&spec.healthcheck),
    })
}

/// SHA-1 of the compact normalized JSON, in 40 hex digits: another hash is another spec.
pub fn spec_hash(spec: &Spec) -> String {
    hex(&Sha1::digest(spec_json(spec).to_string().as_bytes()))
}

/// The normalized JSON of a healthcheck; the probe's `args` stand only where declared.
pub fn healthcheck_json(healthcheck: &Healthcheck) -> Value {
    let mut map = Map::new();
    match &healthcheck.probe {
        Probe::Http { url, expect_status } => {
            map.insert("type".into(), json!("http"));
            map.insert("url".into(), json!(url));
            map.insert("expect_status".into(), json!(expect_status));
        }
        Probe::Command { cmd, args, shell, expect_regex } => {
            map.insert("type".into(), json!("command"));
            map.insert("cmd".into(), json!(cmd));
            if let Some(args) = args {
                map.insert("args".into(), json!(args));
            }
            map.insert("shell".into(), json!(shell));
            map.insert("expect_regex".into(), json!(expect_regex));
        }
    }
    map.insert("interval_s".into(), number(healthcheck.interval_s));
    map.insert("timeout_s".into(), number(healthcheck.timeout_s));
    Value::Object(map)
}

/// Seconds, without a fraction where there is none, so that 60 and 60.0 are the same spec.
fn number(seconds: f64) -> Value {
    seconds.to_string().parse::<Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(interval_s: f64) -> Spec {
        Spec {
            name: "web".into(),
            cmd: "node".into(),
            args: vec!["server.js".into()],
            cwd: "/repo".into(),
            env: vec![("PORT".into(), "3001".into())],
            ports: vec![3001],
            ttl_minutes: 240,
            attrs: Map::new(),
            healthcheck: Healthcheck {
                interval_s,
                timeout_s: 60.0,
                probe: Probe::Command { cmd: "curl x".into(), args: None, shell: true, expect_regex: "ok".into() },
            },
        }
    }

    #[test]
    fn normalized_json_has_the_contracts_order_and_plain_numbers() {
        let expected = concat!(
            r#"{"name":"web","cmd":"node","args":["server.js"],"cwd":"/repo","env":{"PORT":"3001"},"ports":[3001],"#,
            r#""ttl_minutes":240,"attrs":{},"healthcheck":{"type":"command","cmd":"curl x","shell":true,"#,
            r#""expect_regex":"ok","interval_s":2,"timeout_s":60}}"#
        );
        assert_eq!(spec_json(&spec(2.0)).to_string(), expected);
        assert!(spec_json(&spec(0.1)).to_string().contains(r#""interval_s":0.1,"#));
    }

    #[test]
    fn the_hash_tells_specs_apart_and_is_stable() {
        assert_eq!(spec_hash(&spec(2.0)), spec_hash(&spec(2.0)));
        assert_ne!(spec_hash(&spec(2.0)), spec_hash(&spec(3.0)));
        assert_eq!(spec_hash(&spec(2.0)).len(), 40);
    }
}
