//! `validate`: judges sidecars and changes nothing. Impure: reads the files, and lists the folder of agents.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Kind, Result};
use crate::base::files;
use crate::base::ids::AgentName;
use crate::base::root::Root;
use crate::sidecar::{BYTES_MAX, Expectations, Judge, System, Verdict, decide_with_schema};

use super::context::Context;

/// What is to be judged.
#[derive(Clone, Debug)]
pub enum Target {
    /// The file at this path.
    File(PathBuf),
    /// These bytes, which stood on stdin; at most one more than [`BYTES_MAX`] are needed.
    Stdin(Vec<u8>),
    /// This agent's sidecar.
    Agent(AgentName),
}

/// One sidecar, judged.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its path, as it was asked for or under the root; `-` for stdin.
    pub file: String,
    /// Whose sidecar it is, where an agent was asked for.
    pub agent: Option<AgentName>,
    /// What stood in the file, for excerpts.
    pub bytes: Vec<u8>,
    /// What is thought of it.
    pub verdict: Verdict,
}

/// What a word of the command line means: `-` is stdin, whose bytes `stdin` gives; what has a slash or is there as a
/// file is a file; the rest is an agent's name. Errors: a word that is none of these (exit 64).
pub fn target(word: &str, stdin: impl FnOnce() -> Result<Vec<u8>>) -> Result<Target> {
    if word == "-" {
        return stdin().map(Target::Stdin);
    }
    let path = Path::new(word);
    if word.contains('/') || std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir()) {
        return Ok(Target::File(path.to_path_buf()));
    }
    AgentName::parse(word).map(Target::Agent)
}

/// Judges `targets` in order; without any, every agent's sidecar under the root, by name. Errors: a target that is not
/// there (exit 6) or cannot be read (exit 1); then nothing is said of the others.
pub fn run(context: &Context, targets: Vec<Target>) -> Result<Vec<Item>> {
    let judge = Judge::new(&context.settings)?;
    let world = System::new(Some(context.path().as_ref()));
    let targets = match targets.is_empty() {
        true => {
            agents(&context.root, |agent| has_sidecar(&context.root, agent))?.into_iter().map(Target::Agent).collect()
        }
        false => targets,
    };
    targets
        .into_iter()
        .map(|target| {
            let (file, agent, bytes) = read(&context.root, target)?;
            let verdict = decide_with_schema(&bytes, &judge, &Expectations::default(), &world);
            world.check()?;
            Ok(Item { file, agent, bytes, verdict })
        })
        .collect()
}

/// Whether `agent` has a sidecar that is not yet decided.
pub fn has_sidecar(root: &Root, agent: &AgentName) -> bool {
    root.sidecar(agent).symlink_metadata().is_ok()
}

/// Every agent that is `wanted`, by name. Folders whose names are no agent's are passed over.
pub fn agents(root: &Root, wanted: impl Fn(&AgentName) -> bool) -> Result<Vec<AgentName>> {
    let dir = root.agents();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("cannot list `{}`", dir.display()), error)),
    };
    let mut agents = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(format!("cannot list `{}`", dir.display()), error))?;
        let name = entry.file_name().to_str().and_then(|name| AgentName::parse(name).ok());
        agents.extend(name.filter(&wanted));
    }
    agents.sort();
    Ok(agents)
}

fn read(root: &Root, target: Target) -> Result<(String, Option<AgentName>, Vec<u8>)> {
    let (path, agent) = match target {
        Target::Stdin(bytes) => return Ok(("-".to_owned(), None, bytes)),
        Target::File(path) => (path, None),
        Target::Agent(agent) => (root.sidecar(&agent), Some(agent)),
    };
    let file = path.display().to_string();
    match files::read_bounded(&path, BYTES_MAX) {
        Ok(bytes) => Ok((file, agent, bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing(&file, agent.as_ref())),
        Err(error) => Err(Error::io(format!("cannot read `{file}`"), error)),
    }
}

fn missing(file: &str, agent: Option<&AgentName>) -> Error {
    match agent {
        None => Error::new(Kind::NotFound, "file-missing", format!("there is no file `{file}`"))
            .with_hint("name a file, `-` for stdin, or an agent"),
        Some(agent) => {
            Error::new(Kind::NotFound, "sidecar-missing", format!("agent `{agent}` has no sidecar at `{file}`"))
                .with_hint("an agent declares services by writing that file; a decided one has been moved")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn context(dir: &Path) -> Context {
        Context { root: Root::at(dir), settings: Settings::default(), env: Vec::new() }
    }

    fn declare(context: &Context, agent: &str, text: &str) {
        let path = context.root.sidecar(&AgentName::parse(agent).unwrap());
        files::create_dir(path.parent().unwrap()).unwrap();
        files::write_atomic(&path, text.as_bytes(), files::Durability::Cached).unwrap();
    }

    #[test]
    fn without_targets_every_pending_sidecar_is_judged_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let context = context(temp.path());
        assert!(run(&context, Vec::new()).unwrap().is_empty());
        declare(&context, "zoe", "{}");
        declare(&context, "abe", "[");
        files::create_dir(&context.root.agents().join("nothing")).unwrap();
        files::create_dir(&context.root.agents().join("-bad")).unwrap();
        let items = run(&context, Vec::new()).unwrap();
        let found: Vec<(&str, bool)> =
            items.iter().map(|item| (item.agent.as_ref().unwrap().as_str(), item.verdict.is_valid())).collect();
        assert_eq!(found, [("abe", false), ("zoe", false)]);
        assert_eq!(items[1].verdict.reason(), Some("specs-missing"));
    }

    #[test]
    fn a_word_is_a_file_stdin_or_an_agent() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        let path = temp.path().to_str().unwrap();
        let stdin = || Ok(b"{}".to_vec());
        assert!(matches!(target("-", stdin), Ok(Target::Stdin(_))));
        assert!(matches!(target(path, stdin), Ok(Target::File(_))));
        assert!(matches!(target("no/such", stdin), Ok(Target::File(_))));
        assert!(matches!(target("ripley", stdin), Ok(Target::Agent(_))));
        assert_eq!(target("-x", stdin).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn what_is_not_there_is_an_error_and_not_a_verdict() {
        let temp = tempfile::tempdir().unwrap();
        let context = context(temp.path());
        let check = |target: Target, expected: Kind| {
            assert_eq!(run(&context, vec![target]).unwrap_err().kind, expected);
        };
        check(Target::File(temp.path().join("x.json")), Kind::NotFound);
        check(Target::Agent(AgentName::parse("ripley").unwrap()), Kind::NotFound);
        check(Target::File(temp.path().to_path_buf()), Kind::Unforeseen);
        let items = run(&context, vec![Target::Stdin(b"{}".to_vec())]).unwrap();
        assert_eq!((items[0].file.as_str(), items[0].verdict.is_valid()), ("-", false));
    }
}
