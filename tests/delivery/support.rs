//! A root with sinks, events in memory, and passes over them.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test sets files up")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use minions_managed::base::clock::EpochMs;
use minions_managed::base::error::Result;
use minions_managed::base::root::Root;
use minions_managed::config;
use minions_managed::delivery::Source;
use minions_managed::ops::context::Context;
use minions_managed::ops::deliver::{End, Pass, SinkReport};
use minions_managed::service::{Draft, Event, EventType};
use serde_json::{Value, json};

/// A root that nobody else uses.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    pub(crate) context: Context,
    pub(crate) events: Events,
}

/// Events in memory.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Source for Events {
    fn last_seq(&self) -> Result<u64> {
        Ok(self.0.lock().unwrap().last().map_or(0, |event| event.seq))
    }

    fn after(&self, seq: u64, count_max: usize) -> Result<Vec<Event>> {
        Ok(self.0.lock().unwrap().iter().filter(|event| event.seq > seq).take(count_max).cloned().collect())
    }
}

impl Events {
    /// `count` more events, of `web` and `api` in turn.
    pub(crate) fn add(&self, count: u64) {
        let mut events = self.0.lock().unwrap();
        for seq in (events.len() as u64 + 1..).take(usize::try_from(count).unwrap()) {
            let draft = Draft {
                service: if seq.is_multiple_of(2) { "api" } else { "web" }.to_owned(),
                ..Draft::new(EventType::ServiceHealthy, EpochMs(1_767_225_600_000))
            };
            events.push(draft.numbered(seq, format!("evt-{seq:024}")));
        }
    }
}

impl Place {
    /// With these sinks, as they stand in the settings, and these variables.
    pub(crate) fn new(sinks: &Value, env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path().join("root"));
        std::fs::create_dir(root.dir()).unwrap();
        let text = json!({ "engine": { "managedSpawn": { "outbox": { "sinks": sinks } } } }).to_string();
        let settings = config::from_bytes(&root.config(), text.as_bytes()).unwrap().settings;
        let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
        let env = env.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).chain([path]).collect();
        Self { dir, context: Context { root, settings, env }, events: Events::default() }
    }

    /// With one webhook and further keys of it.
    pub(crate) fn hook(url: &str, more: &Value) -> Self {
        let mut sink = json!({ "name": "hook", "type": "webhook", "url": url, "timeoutSec": 30 });
        sink.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        Self::new(&json!([sink]), &[("HOOK_AUTH", "Bearer s3cret-of-the-hook")])
    }

    /// From here on a delivery to the first sink may take so long.
    pub(crate) fn limit(&mut self, seconds: f64) {
        self.context.settings.outbox.sinks[0].timeout_sec = seconds;
    }

    /// One pass over the first sink.
    pub(crate) fn pass(&self) -> SinkReport {
        let sink = &self.context.settings.outbox.sinks[0];
        Pass { context: &self.context, sink, source: &self.events, is_asked_to_end: &|| false }.run()
    }

    /// The same, asked to end after `count` events.
    pub(crate) fn pass_of(&self, count: u64) -> SinkReport {
        let asked = AtomicU64::new(0);
        let is_asked_to_end = || asked.fetch_add(1, Ordering::SeqCst) == count;
        let sink = &self.context.settings.outbox.sinks[0];
        Pass { context: &self.context, sink, source: &self.events, is_asked_to_end: &is_asked_to_end }.run()
    }

    /// A file outside of the root.
    pub(crate) fn outside(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// What stands in a file.
    pub(crate) fn read(&self, path: &std::path::Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

/// Why it was refused; fails if it was not.
pub(crate) fn refused(report: &SinkReport) -> &str {
    let End::Refused { why, .. } = &report.end else { panic!("refused is expected of {report:?}") };
    why
}
