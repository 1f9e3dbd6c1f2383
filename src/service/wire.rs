//! The normalized JSON of a spec, as verdicts, the state file and the spec's hash all have it.

use serde_json::{Map, Number, Value, json};
use sha1::{Digest, Sha1};

use crate::base::hex::hex;

use super::{
    Activation, FAILURE_THRESHOLD, Healthcheck, Identity, Lifecycle, OnUnhealthy, Probe, RestartPolicy, Spec,
    StopPolicy,
};

/// The keys by which a lease says who holds it: `{"pid", "start_ticks", "boot_id", "pid_namespace"}`.
pub fn identity_json(identity: &Identity) -> Map<String, Value> {
    let Identity { pid, start_ticks, boot_id, pid_namespace } = identity;
    let keys = [
        ("pid", json!(pid)),
        ("start_ticks", json!(start_ticks)),
        ("boot_id", json!(boot_id)),
        ("pid_namespace", json!(pid_namespace)),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Reads them back; `None` if they name nobody. Those of before say no namespace.
pub fn identity_from_json(object: &Map<String, Value>) -> Option<Identity> {
    Some(Identity {
        pid: u32::try_from(object.get("pid")?.as_u64()?).ok()?,
        start_ticks: object.get("start_ticks")?.as_u64()?,
        boot_id: object.get("boot_id")?.as_str()?.to_owned(),
        pid_namespace: object.get("pid_namespace").and_then(Value::as_u64),
    })
}

/// The normalized JSON of `spec`, every default filled in, keys in the order of the contract's example:
/// `{"name", "cmd", "args", "cwd", "env", "ports", "ttl_minutes", "attrs", "healthcheck"}`, and after them the lifecycle
/// fields that say anything.
pub fn spec_json(spec: &Spec) -> Value {
    let mut value = json!({
        "name": spec.name,
        "cmd": spec.cmd,
        "args": spec.args,
        "cwd": spec.cwd,
        "env": spec.env.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
        "ports": spec.ports,
        "ttl_minutes": spec.ttl_minutes,
        "attrs": spec.attrs,
        "healthcheck": healthcheck_json(&spec.healthcheck),
    });
    if let Value::Object(map) = &mut value {
        map.extend(lifecycle_json(&spec.lifecycle));
    }
    value
}

/// The lifecycle fields that are not what they are when absent, in the order of contract section 8: none of them for a
/// spec that declares none, so that its hash is what it was before there were such fields.
pub fn lifecycle_json(lifecycle: &Lifecycle) -> Map<String, Value> {
    let mut map = Map::new();
    if !lifecycle.depends_on.is_empty() {
        map.insert("depends_on".into(), json!(lifecycle.depends_on));
    }
    if let Some(restart) = &lifecycle.restart {
        map.insert("restart".into(), restart_json(restart));
    }
    if lifecycle.activation != Activation::default() {
        map.insert("activation".into(), json!(lifecycle.activation.word()));
    }
    if let Some(idle_stop_s) = lifecycle.idle_stop_s {
        map.insert("idle_stop_s".into(), number(idle_stop_s));
    }
    let StopPolicy { signal, grace_s } = lifecycle.stop;
    let signal = signal.map(|signal| ("signal".to_owned(), json!(signal.word())));
    let stop: Map<_, _> =
        signal.into_iter().chain(grace_s.map(|grace| ("grace_s".to_owned(), number(grace)))).collect();
    if !stop.is_empty() {
        map.insert("stop".into(), Value::Object(stop));
    }
    map
}

/// The normalized JSON of a restart policy, every default filled in.
pub fn restart_json(restart: &RestartPolicy) -> Value {
    json!({
        "policy": restart.mode.word(),
        "backoff_s": restart.backoff_s.iter().copied().map(number).collect::<Vec<_>>(),
        "reset_after_s": number(restart.reset_after_s),
        "max_restarts": restart.max_restarts,
        "window_s": number(restart.window_s),
        "success_exit_codes": restart.success_exit_codes,
        "jitter": restart.jitter,
        "daily": restart.daily,
        "on_update": restart.on_update,
    })
}

/// SHA-1 of the compact normalized JSON, in 40 hex digits: another hash is another spec.
pub fn spec_hash(spec: &Spec) -> String {
    hex(&Sha1::digest(spec_json(spec).to_string().as_bytes()))
}

/// The normalized JSON of a healthcheck; the probe's `args` stand only where declared, what follows a failure after the
/// first pass only where it is not the default.
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
    if healthcheck.failure_threshold != FAILURE_THRESHOLD {
        map.insert("failure_threshold".into(), json!(healthcheck.failure_threshold));
    }
    if healthcheck.on_unhealthy != OnUnhealthy::default() {
        map.insert("on_unhealthy".into(), json!(healthcheck.on_unhealthy.word()));
    }
    Value::Object(map)
}

/// Seconds, without a fraction where there is none, so that 60 and 60.0 are the same spec.
fn number(seconds: f64) -> Value {
    seconds.to_string().parse::<Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{RestartMode, StopSignal};

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
                ..Healthcheck::of(Probe::Command {
                    cmd: "curl x".into(),
                    args: None,
                    shell: true,
                    expect_regex: "ok".into(),
                })
            },
            lifecycle: Lifecycle::default(),
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

    #[test]
    fn any_lifecycle_field_changes_the_hash_and_none_of_them_leaves_it() {
        let plain = spec(2.0);
        // As it was before there were such fields: records of then must not look replaced.
        assert_eq!(spec_hash(&plain), "44b7715a0c66d15ff8a6809ed91ac9e066b75ae5");
        let mut hashes = vec![spec_hash(&plain)];
        let changes: [fn(&mut Spec); 9] = [
            |spec| spec.lifecycle.depends_on = vec!["db".into()],
            |spec| spec.lifecycle.restart = Some(RestartPolicy::default()),
            |spec| spec.lifecycle.restart = Some(RestartPolicy { max_restarts: 3, ..RestartPolicy::default() }),
            |spec| spec.lifecycle.activation = Activation::OnDemand,
            |spec| spec.lifecycle.idle_stop_s = Some(60.0),
            |spec| spec.lifecycle.stop.signal = Some(StopSignal::Term),
            |spec| spec.lifecycle.stop.grace_s = Some(5.0),
            |spec| spec.healthcheck.failure_threshold = 5,
            |spec| spec.healthcheck.on_unhealthy = OnUnhealthy::Restart,
        ];
        for change in changes {
            let mut changed = plain.clone();
            change(&mut changed);
            hashes.push(spec_hash(&changed));
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "each is another spec");
    }

    #[test]
    fn lifecycle_stands_as_in_the_sidecar() {
        let restart = RestartPolicy { mode: RestartMode::OnFailure, ..RestartPolicy::default() };
        let lifecycle = Lifecycle {
            depends_on: vec!["db".into()],
            restart: Some(restart),
            activation: Activation::OnDemand,
            idle_stop_s: Some(900.0),
            stop: StopPolicy { signal: Some(StopSignal::Int), grace_s: Some(0.5) },
        };
        let expected = concat!(
            r#"{"depends_on":["db"],"restart":{"policy":"on-failure","backoff_s":[1,2,4,8,16,30],"reset_after_s":600,"#,
            r#""max_restarts":10,"window_s":300,"success_exit_codes":[0],"jitter":false,"daily":false,"on_update":false},"#,
            r#""activation":"on-demand","idle_stop_s":900,"stop":{"signal":"SIGINT","grace_s":0.5}}"#
        );
        assert_eq!(Value::Object(lifecycle_json(&lifecycle)).to_string(), expected);
    }
}
