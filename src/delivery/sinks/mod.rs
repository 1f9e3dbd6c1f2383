//! The three kinds of receivers. Each takes one event at a time and says whether it took it; whether and when it is asked again
//! is not decided here.

mod command;
mod file;
mod webhook;

use std::fmt;
use std::io;
use std::path::Path;

use crate::base::error::tells_nothing;
use crate::base::excerpt::excerpt;
use crate::base::redact::Secrets;
use crate::config::{Sink, Target};
use crate::service::EnvVars;

use super::cloudevent::Message;

/// How much of a receiver's or the system's words a sentence shows.
const WORDS_CHARS_MAX: usize = 200;

/// Why an event was not taken: one sentence without a period, other people's text in it escaped, cut, and without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The receiver was asked, or could not be reached: this counts as a failure of the event.
    Failed(String),
    /// It is we who cannot ask: for want of a variable, or of open files. It says nothing of the receiver and counts nothing.
    Unready(String),
}

impl Refusal {
    /// A failure in these words.
    fn failed(words: impl Into<String>) -> Self {
        Self::Failed(words.into())
    }

    /// A failure, or our own shortage, because of `error`.
    fn because_of(error: &io::Error, words: String) -> Self {
        if tells_nothing(error) { Self::Unready(words) } else { Self::Failed(words) }
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        match self {
            Self::Failed(sentence) | Self::Unready(sentence) => sentence,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// A receiver, ready to be sent events.
pub struct Sender(Kind);

enum Kind {
    Webhook(webhook::Webhook),
    Command(command::Command),
    File(file::File),
}

/// What a receiver needs to know of its surroundings.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The root's folder: relative paths start there, commands run there.
    pub root: &'a Path,
    /// The folder under it where only our own files are.
    pub engine: &'a Path,
    /// The deliverer's environment.
    pub env: &'a EnvVars,
    /// What of it no sentence may hold, whoever wrote it.
    pub secrets: &'a Secrets,
}

impl Sender {
    /// Makes `sink` ready; nothing is sent.
    pub fn new(sink: &Sink, around: Surroundings<'_>) -> Result<Self, Refusal> {
        let limit = std::time::Duration::try_from_secs_f64(sink.timeout_sec).unwrap_or_default();
        let kind = match &sink.target {
            Target::Webhook(target) => Kind::Webhook(webhook::Webhook::new(target, around, limit)?),
            Target::Command { cmd, args } => Kind::Command(command::Command::new(cmd, args, around, limit)?),
            Target::File { path } => Kind::File(file::File::new(&around.root.join(path), around.engine)?),
        };
        Ok(Self(kind))
    }

    /// Sends `message`, and waits until it is taken or refused.
    pub fn send(&mut self, message: &Message) -> Result<(), Refusal> {
        match &mut self.0 {
            Kind::Webhook(webhook) => webhook.send(message),
            Kind::Command(command) => command.send(message),
            Kind::File(file) => file.send(message),
        }
    }
}

fn words(text: &dyn fmt::Display) -> String {
    excerpt(&text.to_string(), WORDS_CHARS_MAX)
}
