//! What services do, as their arguments say: a model is a handful of figures, not a program.

use std::time::Duration;

use minions_managed::base::world::Ended;

use crate::machine::SEGV;

/// By then whoever waits for its first health has seen it.
const FIRST_HEALTH: Duration = Duration::from_millis(800);

/// Something that a service does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// It listens, and answers.
    Ready,
    /// It answers otherwise than it should from now on.
    Sicken,
    /// It ends with this code.
    Exit(i32),
    /// It dies by SIGSEGV.
    Crash,
}

/// How one service behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// Where it listens.
    pub(crate) port: Option<u16>,
    /// It listens and answers.
    pub(crate) is_ready: bool,
    /// The status it answers with.
    pub(crate) status: u16,
    /// It takes connections and never answers.
    pub(crate) is_silent: bool,
    /// It does not end on SIGTERM.
    is_deaf: bool,
    /// How long it takes to end on SIGTERM.
    slow: Duration,
    /// It starts a process that leaves it, deaf or not.
    pub(crate) descendant: Option<bool>,
    ready_after: Duration,
    later: Vec<(Duration, Event)>,
    /// Only in so many of its first lives it does by itself what it does later; `None`: in all.
    weak_lives: Option<u32>,
}

/// The arguments that a model understands, for messages and docs.
pub(crate) const WORDS: &str = "--port N, --ready MS, --status N, --silent, --sick MS, --exit MS:CODE, --crash MS, --weak LIVES, \
     --deaf, --slow MS, --leave, --leave-deaf";

impl Model {
    /// Reads the arguments of a service. Unknown ones are a fault of the test.
    pub(crate) fn parse(args: &[String]) -> Self {
        let mut model = Self { status: 200, ready_after: Duration::from_millis(30), ..Self::default() };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("`{arg}` wants a value: {WORDS}"));
            match arg {
                "--port" => model.port = Some(number(value())),
                "--ready" => model.ready_after = millis(value()),
                "--status" => model.status = number(value()),
                "--silent" => model.is_silent = true,
                "--sick" => model.later.push((millis(value()), Event::Sicken)),
                "--exit" => {
                    let (after, code) = value().split_once(':').expect("--exit MS:CODE");
                    model.later.push((millis(after), Event::Exit(number(code))));
                }
                "--crash" => model.later.push((millis(value()), Event::Crash)),
                "--weak" => model.weak_lives = Some(number(value())),
                "--deaf" => model.is_deaf = true,
                "--slow" => model.slow = millis(value()),
                "--leave" => model.descendant = Some(false),
                "--leave-deaf" => model.descendant = Some(true),
                other => panic!("a service knows no `{other}`: {WORDS}"),
            }
        }
        model
    }

    /// Whether it comes up soon, and then answers as long as it is let.
    pub(crate) fn is_steady(&self) -> bool {
        self.later.is_empty() && !self.is_silent && self.status == 200 && self.ready_after < Duration::from_secs(2)
    }

    /// Whether it passes its first health, each time.
    pub(crate) fn comes_up(&self) -> bool {
        let is_up_for_long = |(after, _): &(Duration, Event)| *after > self.ready_after + FIRST_HEALTH;
        !self.is_silent
            && self.status == 200
            && self.ready_after < Duration::from_secs(2)
            && self.later.iter().all(is_up_for_long)
    }

    /// What it will do by itself in the `life`th of its lives, and when.
    pub(crate) fn events(&self, life: u32) -> Vec<(Duration, Event)> {
        let is_weak = self.weak_lives.is_none_or(|lives| life <= lives);
        let mut events = if is_weak { self.later.clone() } else { Vec::new() };
        events.push((self.ready_after, Event::Ready));
        events
    }

    /// What becomes of it; how it ends, if it does.
    pub(crate) fn happen(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Ready => {
                self.is_ready = true;
                None
            }
            Event::Sicken => {
                self.status = 500;
                None
            }
            Event::Exit(code) => Some(Ended::Code(code)),
            Event::Crash => Some(Ended::Signal(SEGV)),
        }
    }

    /// How long after SIGTERM it ends; `None`: it does not.
    pub(crate) fn asked_to_end(&self) -> Option<Duration> {
        (!self.is_deaf).then_some(self.slow)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no such number"))
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(number(text))
}
