//! The door for people and scripts: `minions managed COMMAND`. A file per command holds its arguments, whose doc
//! comments are the help text, and its translation into a use case of `ops` and back into words; nothing is decided here. Impure: reads the arguments and the environment.

mod accept;
mod completions;
mod config;
mod context;
mod demo;
mod diagnostics;
mod doctor;
mod ensure;
mod events;
mod exit;
mod explain;
mod fatal;
mod global;
mod healthcheck;
mod hint;
mod holders;
mod list;
mod logs;
mod man;
mod outbox;
mod queue;
mod reconcile;
pub mod reference;
mod release;
mod remove_project;
mod renew;
mod restart;
mod run_loop;
mod runs;
mod schema;
mod show;
mod stop;
mod sweep;
mod timeline;
mod touch;
mod ui;
mod updated;
mod usage;
mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::base::error::{Kind, Result};
use crate::base::root::Root;
use crate::config::Loaded;
use crate::ops::{self, context::Context};
use crate::service::EnvVars;
use crate::state::SetAside;

use exit::{End, Outcome};
use global::Global;
use ui::Ui;
use usage::Stopped;

/// Supervises the long-running services that coding agents declare
#[derive(Parser, Debug)]
#[command(name = "minions", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Example: minions managed demo")]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand, Debug)]
enum Program {
    /// Services that agents declare: accept, list, show, stop …
    ///
    /// An agent declares services in its sidecar, agents/AGENT/managed-spawn.json under the root. `accept` judges it, starts
    /// them, waits until they are healthy, and records them for others to find with `list` and `show`. A service outlives
    /// whoever started it, and ends when it is stopped, by itself, or when its time to live is over.
    #[command(arg_required_else_help = true, after_help = "Example: minions managed list")]
    Managed {
        #[command(subcommand)]
        command: Command,
    },
}

/// Declares the commands once: the value, the file that holds its arguments, and its word.
macro_rules! commands {
    ($($command:ident $file:ident $word:literal)*) => {
        #[derive(Subcommand, Debug)]
        enum Command { $($command($file::Args)),* }

        /// The arguments of the command of that word alone.
        fn arguments_of(word: &str) -> Option<clap::Command> {
            match word {
                $($word => Some(<$file::Args as clap::Args>::augment_args(clap::Command::new($word))),)*
                _ => None,
            }
        }
    };
}

commands! {
    Validate validate "validate"
    Accept accept "accept"
    List list "list"
    Show show "show"
    Explain explain "explain"
    Logs logs "logs"
    Stop stop "stop"
    Sweep sweep "sweep"
    Renew renew "renew"
    Healthcheck healthcheck "healthcheck"
    Reconcile reconcile "reconcile"
    Restart restart "restart"
    Run run_loop "run"
    Ensure ensure "ensure"
    Touch touch "touch"
    Updated updated "updated"
    RemoveProject remove_project "remove-project"
    Holders holders "holders"
    Release release "release"
    Queue queue "queue"
    Runs runs "runs"
    Outbox outbox "outbox"
    Hint hint "hint"
    Context context "context"
    Events events "events"
    Timeline timeline "timeline"
    Schema schema "schema"
    Config config "config"
    Doctor doctor "doctor"
    Demo demo "demo"
    Completions completions "completions"
    Man man "man"
}

impl Command {
    /// Whether cron, a timer or a service manager starts it, so that nobody may see what it says.
    fn is_unwatched(&self) -> bool {
        match self {
            Self::Sweep(_) | Self::Reconcile(_) | Self::Healthcheck(_) | Self::Run(_) => true,
            Self::Outbox(args) => args.is_unwatched(),
            Self::Validate(_)
            | Self::Accept(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Explain(_)
            | Self::Logs(_)
            | Self::Stop(_)
            | Self::Renew(_)
            | Self::Restart(_)
            | Self::Ensure(_)
            | Self::Touch(_)
            | Self::Updated(_)
            | Self::RemoveProject(_)
            | Self::Holders(_)
            | Self::Release(_)
            | Self::Queue(_)
            | Self::Runs(_)
            | Self::Hint(_)
            | Self::Context(_)
            | Self::Events(_)
            | Self::Timeline(_)
            | Self::Schema(_)
            | Self::Config(_)
            | Self::Doctor(_)
            | Self::Demo(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// What every command has at hand: where to look and how to speak.
struct Door {
    root: Option<std::path::PathBuf>,
    ui: Ui,
}

impl Door {
    /// What use cases are handed: the root, the settings in force, and this process's environment.
    fn context(&self) -> Result<Context> {
        let (root, Loaded { settings, .. }) = self.settings()?;
        Ok(Context { root, settings, env: environment() })
    }

    /// The root that the options or the environment name, and the settings under it.
    fn settings(&self) -> Result<(Root, Loaded)> {
        let root = Root::locate(self.root.as_deref())?;
        log::info!("the root is {}", root.dir().display());
        let loaded = crate::config::load(&root.config())?;
        Ok((root, loaded))
    }

    /// Says why some services were not stopped; their kind of failure, if there is one.
    fn failures(&self, items: &mut [ops::stop::Stopped]) -> Option<Kind> {
        let mut kind = None;
        for error in items.iter_mut().filter_map(|item| item.error.take()) {
            self.ui.failure(&error);
            kind = Some(error.kind);
        }
        kind
    }

    /// How a command ends that reports `news`, if any, and may have had to put something unreadable aside, which is said
    /// loudly.
    fn end(&self, news: Option<Kind>, set_aside: Option<&SetAside>) -> End {
        if let Some(aside) = set_aside {
            self.ui.failure(&aside.to_error());
        }
        news.or(set_aside.map(|_| Kind::StateSetAside)).map_or(End::Done, End::News)
    }
}

/// The caller's environment; what is no UTF-8 is left out.
#[expect(clippy::disallowed_methods, reason = "the environment is read at the doors")]
fn environment() -> EnvVars {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.environment();
    }
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    ExitCode::from(run_line(&std::env::args_os().collect::<Vec<_>>()))
}

/// Runs the command that `args` name, the program's own name first, and returns the exit code.
pub fn run_line(args: &[OsString]) -> u8 {
    let parsed = match parse(args) {
        Ok(parsed) => parsed,
        Err(refusal) => return refused(&refusal, args),
    };
    let ui = Ui::new(&parsed.global);
    if let Err(error) = diagnostics::start(&parsed.global) {
        ui.error(&error);
        return error.kind.exit_code();
    }
    #[cfg(debug_assertions)]
    ops::steps::arm(&environment());
    let door = Door { root: parsed.global.root, ui };
    let Program::Managed { command } = parsed.program;
    if command.is_unwatched()
        && let Ok(root) = Root::locate(door.root.as_deref())
    {
        diagnostics::keep(&root);
    }
    match fatal::told(command, &door) {
        Ok(end) => end.code(),
        Err(error) => {
            door.ui.error(&error);
            error.kind.exit_code()
        }
    }
}

/// Reads the arguments. To describe every command to clap takes longer than most commands run, so only the one that is named is
/// described first; all of them where that is not enough: for help, and to say what is wrong.
fn parse(args: &[OsString]) -> std::result::Result<Arguments, clap::Error> {
    let lean = lean(args).and_then(|tree| {
        let mut matches = tree.try_get_matches_from(args).ok()?;
        Arguments::from_arg_matches_mut(&mut matches).ok()
    });
    lean.map_or_else(|| Arguments::try_parse_from(args), Ok)
}

/// All that [`Arguments`] has, but of the commands the one that `args` seem to name. What it takes means the same there.
fn lean(args: &[OsString]) -> Option<clap::Command> {
    let mut words = args.iter().skip(1).skip_while(|word| *word != "managed");
    let command = arguments_of(words.nth(1)?.to_str()?)?;
    let managed = clap::Command::new("managed").subcommand_required(true).subcommand(command);
    let arguments = Global::augment_args(clap::Command::new("minions"));
    Some(arguments.subcommand_required(true).subcommand(managed))
}

fn run(command: Command, door: &Door) -> Outcome {
    match command {
        Command::Validate(args) => validate::run(&args, door),
        Command::Accept(args) => accept::run(&args, door),
        Command::List(args) => list::run(args, door),
        Command::Show(args) => show::run(&args, door),
        Command::Explain(args) => explain::run(&args, door),
        Command::Logs(args) => logs::run(&args, door),
        Command::Stop(args) => stop::run(&args, door),
        Command::Sweep(args) => sweep::run(&args, door),
        Command::Renew(args) => renew::run(&args, door),
        Command::Healthcheck(args) => healthcheck::run(args, door),
        Command::Reconcile(args) => reconcile::run(&args, door),
        Command::Restart(args) => restart::run(&args, door),
        Command::Run(args) => run_loop::run(&args, door),
        Command::Ensure(args) => ensure::run(&args, door),
        Command::Touch(args) => touch::run(&args, door),
        Command::Updated(args) => updated::run(&args, door),
        Command::RemoveProject(args) => remove_project::run(&args, door),
        Command::Holders(args) => holders::run(&args, door),
        Command::Release(args) => release::run(&args, door),
        Command::Queue(args) => queue::run(args, door),
        Command::Runs(args) => runs::run(args, door),
        Command::Outbox(args) => outbox::run(&args, door),
        Command::Hint(args) => hint::run(args, door),
        Command::Context(args) => context::run(args, door),
        Command::Events(args) => events::run(args, door),
        Command::Timeline(args) => timeline::run(args, door),
        Command::Schema(args) => schema::run(&args, door),
        Command::Config(args) => config::run(&args, door),
        Command::Doctor(args) => doctor::run(&args, door),
        Command::Demo(args) => demo::run(&args, door),
        Command::Completions(args) => completions::run(&args, door),
        Command::Man(args) => man::run(&args, door),
    }
}

/// Answers a command line that names no command to run: help, a version, or what is wrong with it.
fn refused(refusal: &clap::Error, args: &[OsString]) -> u8 {
    let ui = Ui::plain(usage::format_asked(args));
    let outcome = match usage::stopped(refusal) {
        Stopped::Answered(text) => ui.data(&text).map(|()| End::Done),
        Stopped::Refused(error) => Err(error),
    };
    outcome.map_or_else(
        |error| {
            ui.error(&error);
            error.kind.exit_code()
        },
        End::code,
    )
}

/// The names of the commands of `minions managed`.
fn command_names() -> Vec<String> {
    let arguments = Arguments::command();
    let managed = arguments.find_subcommand("managed").into_iter().flat_map(clap::Command::get_subcommands);
    managed.map(|command| command.get_name().to_owned()).collect()
}

/// `minions X.Y.Z` and a line end.
fn version() -> String {
    format!("minions {}\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// One alone has the arguments that it has among all.
    #[test]
    fn every_command_is_found_by_its_word() {
        let mut all = Arguments::command();
        all.build();
        let managed = all.find_subcommand("managed").unwrap();
        let names = command_names();
        assert!(names.len() > 20);
        for name in names {
            let mut tree = lean(&args(&format!("minions managed {name}"))).unwrap_or_else(|| panic!("{name}"));
            tree.build();
            let one = tree.find_subcommand("managed").unwrap().find_subcommand(&name).unwrap();
            let ids = |command: &clap::Command| -> Vec<String> {
                let ids = command.get_arguments().map(|arg| arg.get_id().to_string());
                ids.filter(|id| id != "version").collect()
            };
            assert_eq!(ids(one), ids(managed.find_subcommand(&name).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_line_means_the_same_whichever_way_it_is_read() {
        for line in [
            "minions managed list",
            "minions --root /r managed list --format json",
            "minions managed --root managed list -v",
            "minions --root managed managed stop web",
            "minions --root=managed managed stop web --format json",
            "minions managed logs web -f",
            "minions managed accept --all --project shop --no-wait",
            "minions managed outbox drain",
        ] {
            let args = args(line);
            let (read, whole) = (parse(&args).unwrap(), Arguments::try_parse_from(&args).unwrap());
            assert_eq!(format!("{read:?}"), format!("{whole:?}"), "{line}");
        }
        for line in
            ["minions", "minions managed", "minions managed list --no-such", "minions managed list --help", "minions x"]
        {
            let (read, whole) = (parse(&args(line)).unwrap_err(), Arguments::try_parse_from(args(line)).unwrap_err());
            assert_eq!(read.to_string(), whole.to_string(), "{line}");
        }
    }
}
