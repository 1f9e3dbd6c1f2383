//! Delivery beside the loop: a thread per sink that sleeps while nothing waits, so that a receiver which hangs holds up neither
//! the loop nor the other sinks. Impure: starts threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::config::Sink;

use super::super::context::Context;
use super::{End, Events, Pass, SinkReport};

/// How often a sink looks whether there is something new. Looking is two calls of the system.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The pause where it is we who cannot deliver.
const TROUBLE_PAUSE: Duration = Duration::from_secs(10);

/// The threads that deliver, one per sink of the settings.
pub struct Deliverer {
    workers: Vec<Worker>,
    reports: Receiver<SinkReport>,
    reporter: Sender<SinkReport>,
}

/// One thread; dropping this asks it to end after the event that it is at.
struct Worker {
    sink: Sink,
    is_asked: Arc<AtomicBool>,
    /// Dropped to wake it.
    bell: Option<Sender<()>>,
    thread: thread::JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.is_asked.store(true, Ordering::Release);
        drop(self.bell.take());
    }
}

impl Default for Deliverer {
    fn default() -> Self {
        let (reporter, reports) = channel();
        Self { workers: Vec::new(), reports, reporter }
    }
}

impl Deliverer {
    /// Brings the threads in line with the settings of `context`, and returns what has been worth telling since the last call:
    /// passes that did something or failed.
    pub fn tick(&mut self, context: &Context) -> Result<Vec<SinkReport>> {
        let sinks = &context.settings.outbox.sinks;
        self.workers.retain(|worker| sinks.contains(&worker.sink) && !worker.thread.is_finished());
        for sink in sinks {
            if !self.workers.iter().any(|worker| worker.sink == *sink) {
                self.workers.push(start(context, sink, self.reporter.clone())?);
            }
        }
        Ok(self.reports.try_iter().collect())
    }
}

fn start(context: &Context, sink: &Sink, reporter: Sender<SinkReport>) -> Result<Worker> {
    let is_asked = Arc::new(AtomicBool::new(false));
    let (bell, rung) = channel::<()>();
    let work = {
        let (context, sink, is_asked) = (context.clone(), sink.clone(), Arc::clone(&is_asked));
        move || deliver(&context, &sink, &is_asked, &rung, &reporter)
    };
    let thread = thread::Builder::new()
        .name(format!("sink {}", sink.name))
        .spawn(work)
        .map_err(|error| Error::io(format!("cannot start a thread for sink `{}`", sink.name), error))?;
    Ok(Worker { sink: sink.clone(), is_asked, bell: Some(bell), thread })
}

/// Delivers until it is asked to end. It begins at once: a restart forgets waits.
fn deliver(context: &Context, sink: &Sink, is_asked: &AtomicBool, rung: &Receiver<()>, reporter: &Sender<SinkReport>) {
    let events = Events::of(context);
    let is_asked_to_end = || is_asked.load(Ordering::Acquire);
    let (mut marked, mut said) = (None, String::new());
    while !is_asked_to_end() {
        let mark = events.mark();
        let mut pause = LOOK_PAUSE;
        if marked != Some(mark) {
            let report = Pass { context, sink, source: &events, is_asked_to_end: &is_asked_to_end }.run();
            // What came in the meantime is newer than the mark, and is seen the next time.
            marked = matches!(report.end, End::Idle).then_some(mark);
            pause = pause_after(&report.end);
            let words = trouble(&report.end);
            let is_news = has_done_something(&report) || (!words.is_empty() && words != said);
            said = words;
            if is_news && reporter.send(report).is_err() {
                return;
            }
        }
        match rung.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn pause_after(end: &End) -> Duration {
    match end {
        End::Idle | End::Busy(_) | End::Asked => LOOK_PAUSE,
        End::Refused { wait, .. } => *wait,
        // Somebody has to do something about it first.
        End::Unready { .. } | End::Failed(_) => TROUBLE_PAUSE,
    }
}

/// What keeps events from being delivered, in words; the same trouble is said once.
fn trouble(end: &End) -> String {
    match end {
        End::Idle | End::Busy(_) | End::Asked => String::new(),
        End::Refused { why, .. } | End::Unready { why } => why.clone(),
        End::Failed(error) => error.chain(),
    }
}

fn has_done_something(report: &SinkReport) -> bool {
    report.delivered + report.dead + report.dropped > 0 || report.set_aside.is_some()
}
