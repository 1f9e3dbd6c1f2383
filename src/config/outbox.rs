//! Where events are delivered: the typed form of `engine.managedSpawn.outbox` (contract section 9).

/// The setting `outbox`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outbox {
    /// Where to, in the order of the file; each has a name of its own.
    pub sinks: Vec<Sink>,
}

/// One receiver of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// What it is called: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, so that files can be named after it.
    pub name: String,
    /// What takes the events.
    pub target: Target,
    /// Types of the events that it takes, exact (`service.healthy`) or a whole family (`service.*`); empty: all.
    pub types: Vec<String>,
    /// Whether only the newest waiting event of each service is delivered.
    pub coalesce: bool,
    /// Longest time that one delivery may take, in seconds.
    pub timeout_sec: f64,
}

/// What takes the events.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A http server: each event is a POST.
    Webhook(Webhook),
    /// A program: each event is its stdin.
    Command {
        /// The program, a path or a name to be found on PATH.
        cmd: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// A file: each event is a line at its end.
    File {
        /// Absolute, or from the root.
        path: String,
    },
}

/// How a webhook is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// `http://…`, without user info.
    pub url: String,
    /// Further headers by name.
    pub headers: Vec<(String, HeaderValue)>,
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
    /// The proxy to go through, `http://HOST:PORT`; none if it is not said.
    pub proxy: Option<String>,
}

/// What a header says.
#[derive(Clone, PartialEq)]
pub enum HeaderValue {
    /// What stands in the file; never shown.
    Text(String),
    /// The value of this variable of the deliverer's environment.
    Env(String),
}

impl std::fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Env(name) => write!(f, "Env({name})"),
        }
    }
}

impl Target {
    /// The word in the file.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Command { .. } => "command",
            Self::File { .. } => "file",
        }
    }
}

impl Sink {
    /// Whether it takes events of type `word`.
    pub fn takes(&self, word: &str) -> bool {
        let is_match = |pattern: &String| match pattern.strip_suffix(".*") {
            Some(family) => word.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
            None => pattern == word,
        };
        self.types.is_empty() || self.types.iter().any(is_match)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_takes_the_types_that_it_names_and_their_families() {
        let check = |types: &[&str], word: &str, expected: bool| {
            let sink = Sink {
                name: "x".into(),
                target: Target::File { path: "x".into() },
                types: types.iter().map(|&one| one.to_owned()).collect(),
                coalesce: false,
                timeout_sec: 1.0,
            };
            assert_eq!(sink.takes(word), expected, "{types:?} {word}");
        };
        check(&[], "service.healthy", true);
        check(&["service.healthy"], "service.healthy", true);
        check(&["service.healthy"], "service.unhealthy", false);
        check(&["service.*", "fatal"], "service.exited", true);
        check(&["service.*"], "services.exited", false);
        check(&["service.*"], "service", false);
        check(&["fatal"], "fatal", true);
    }
}
