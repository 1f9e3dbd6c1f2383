//! The service of a shim: its orders, and the life that it is at. Begins lives and judges their ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic};
use crate::base::files;
use crate::base::ids::Generation;
use crate::base::steps::{Step, reached};
use crate::lifecycle::restart::{self, End, Verdict};
use crate::process::{self, Cgroup, MINIONS_GENERATION, ServiceStart};
use crate::service::{Exit, ExitCause, ExitRecord, Identity, Progress};
use crate::state::{self, Ended, Launch, Next, Started};

use super::follower::Follower;
use super::tree;

/// The service, as far as its shim knows it.
#[derive(Debug)]
pub(super) struct Service {
    /// The run folder, which is named after the life.
    dir: PathBuf,
    launch: Launch,
    generation: Generation,
    /// The pid of its main process; 0, which is nobody's, in a life that could not be begun.
    main_pid: u32,
    began_at: Instant,
    progress: Progress,
    /// Where all of its processes are, in all its lives, if there may be such a thing.
    group: Option<Cgroup>,
}

/// What came of the begin of another life.
#[derive(Debug)]
pub(super) enum Began {
    /// The service runs.
    Up,
    /// Somebody has begun to end all of it.
    Barred,
    /// It could not be started; why, in one sentence.
    Refused(String),
}

impl Service {
    /// The first life.
    pub(super) fn begin(dir: &Path, launch: Launch) -> Result<(Self, Identity), String> {
        let (generation, progress) = (launch.generation.clone(), launch.progress.clone());
        let group = Cgroup::make(dir, &generation);
        let mut service =
            Self { dir: dir.to_owned(), launch, generation, main_pid: 0, began_at: monotonic(), progress, group };
        let started = service.start(&mut Follower::default()).inspect_err(|_| service.remove_group());
        started.map(|identity| (service, identity))
    }

    /// Another life: the run folder gets its name, with all that is in it. Whoever ends this shim either finds the folder under the
    /// new name, or has marked or barred it before, and then nothing is begun.
    pub(super) fn begin_next(&mut self, follower: &mut Follower) -> Began {
        let next = self.generation.successor(EpochMs::now());
        let dir = self.dir.with_file_name(next.as_str());
        if files::rename_dir(&self.dir, &dir).is_err() {
            return Began::Barred;
        }
        (self.dir, self.generation) = (dir, next);
        reached(Step::ShimMoved);
        if state::is_ending(&self.dir) {
            return Began::Barred;
        }
        self.main_pid = 0;
        let mark = self.launch.env.iter_mut().find(|(key, _)| key == MINIONS_GENERATION);
        if let Some((_, value)) = mark {
            self.generation.as_str().clone_into(value);
        }
        match self.start(follower) {
            Ok(_) => Began::Up,
            Err(why) => Began::Refused(why),
        }
    }

    /// Starts the process of a life and writes down who it is.
    fn start(&mut self, follower: &mut Follower) -> Result<Identity, String> {
        let launch = &self.launch;
        let log = files::open_append(Path::new(&launch.log_path))
            .map_err(|error| format!("the log `{}` cannot be opened: {error}", launch.log_path))?;
        self.began_at = monotonic();
        let pid = process::start_service(&ServiceStart {
            program: Path::new(&launch.program),
            args: &launch.args,
            cwd: Some(Path::new(&launch.cwd)).filter(|cwd| !cwd.as_os_str().is_empty()),
            env: &launch.env,
            log: &log,
            group: self.group.as_ref(),
        })?;
        reached(Step::ShimForked);
        // A service that has ended already is a zombie of ours and still has its entry in the process table.
        let seen = process::observe_child_identity(pid).map_err(|error| format!("the service cannot be seen: {error}"));
        let written = seen.and_then(|service| {
            let generation = self.generation.clone();
            let started = Started { service: service.clone(), at: EpochMs::now(), generation };
            state::write_service(&self.dir, &started).map(|()| service).map_err(noted)
        });
        match &written {
            Ok(_) => {
                self.main_pid = pid;
                reached(Step::ShimWritten);
            }
            // A service that nobody could find again must not live.
            Err(_) => tree::kill_all(pid, &self.generation, follower),
        }
        written
    }

    /// Judges the end of this life. `is_last`: nothing follows, whatever its policy says.
    pub(super) fn judge(&self, exit: Exit, cause: ExitCause, is_last: bool) -> Ended {
        self.judged(exit, cause, is_last, monotonic().saturating_duration_since(self.began_at), None)
    }

    /// Judges a life that could not be begun: a failure, and one of no length.
    pub(super) fn judge_refusal(&self, why: String) -> Ended {
        self.judged(Exit::Unknown, ExitCause::Own, false, Duration::ZERO, Some(why))
    }

    fn judged(&self, exit: Exit, cause: ExitCause, is_last: bool, lived: Duration, refusal: Option<String>) -> Ended {
        let at = EpochMs::now();
        let policy = self.launch.restart.as_ref().filter(|_| !is_last && cause == ExitCause::Own);
        let end = End { at, lived, exit, was_unhealthy: false };
        let share = restart::share(Some(&self.generation));
        let (next, progress) = match restart::after_exit(policy, &self.progress, &end, share) {
            Verdict::Over { is_success: _ } => (Next::Over, self.progress.clone()),
            Verdict::Again { at, progress } => (Next::Again { at }, progress),
            Verdict::GiveUp { progress, why } => (Next::GaveUp { why }, progress),
        };
        Ended { generation: self.generation.clone(), exit: ExitRecord { exit, cause, at }, refusal, next, progress }
    }

    /// Goes by `ended`, and writes it down; says whether that could be done.
    pub(super) fn note_end(&mut self, ended: &Ended) -> bool {
        self.progress.clone_from(&ended.progress);
        state::write_exit(&self.dir, ended).is_ok()
    }

    /// Kills all at once, also whoever is just forking, where that can be.
    pub(super) fn kill_group(&self) {
        self.group.iter().for_each(Cgroup::kill);
    }

    /// Nobody is left, and nobody is to come.
    pub(super) fn remove_group(&self) {
        self.group.iter().for_each(Cgroup::remove);
    }

    /// The run folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The life that it is at.
    pub(super) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The pid of its main process; 0 if there is none.
    pub(super) fn main_pid(&self) -> u32 {
        self.main_pid
    }

    /// What was ordered.
    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }
}

/// Why something could not be written down.
pub(super) fn noted(error: state::Error) -> String {
    crate::base::error::Error::from(error).chain()
}
