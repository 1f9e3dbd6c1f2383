//! `hint`: how to declare services, told to an agent. Its example is judged before it is told, as the agent's will be.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::AgentName;
use crate::config::Settings;
use crate::sidecar::{Expectations, Judge, System, decide, worktree_top};
use crate::text::hint::{Facts, text};

use super::context::Context;

/// Who is told what.
#[derive(Clone, Debug)]
pub struct Request {
    /// The agent.
    pub agent: AgentName,
    /// The work item that it is at.
    pub work_item: String,
    /// Time to live in the example, in minutes, cut to maxTtlMinutes; `None`: defaultTtlMinutes.
    pub ttl_minutes: Option<u64>,
    /// A folder in the agent's worktree; `None`: the current one, if that is in any.
    pub worktree: Option<PathBuf>,
    /// Whether the commands in the text must name the root.
    pub names_root: bool,
}

/// What an agent, or its harness, is told.
#[derive(Clone, Debug)]
pub struct Hint {
    /// For the prompt.
    pub text: String,
    /// The sidecar's path, absolute.
    pub path: String,
    /// A sidecar that passes; `None` where none can.
    pub example: Option<Value>,
    /// The time to live in the example, in minutes.
    pub ttl_minutes: u64,
}

/// The port of the example: a development server's.
pub const EXAMPLE_PORT: u16 = 3000;
/// What a healthy server answers.
pub const EXAMPLE_STATUS: u16 = 200;
/// Seconds within which a development server that must build something first is up.
pub const EXAMPLE_TIMEOUT_S: u16 = 60;

/// Programs that serve, the usual ones first, with arguments that make them.
const SERVERS: [(&str, &[&str]); 10] = [
    ("npm", &["run", "dev"]),
    ("pnpm", &["run", "dev"]),
    ("yarn", &["run", "dev"]),
    ("bun", &["run", "dev"]),
    ("node", &["server.js"]),
    ("python3", &["-m", "http.server", "3000"]),
    ("python", &["-m", "http.server", "3000"]),
    ("docker", &["compose", "up"]),
    ("bash", &["serve.sh"]),
    ("sh", &["serve.sh"]),
];

/// Makes the hint. Errors: a worktree that is none, or is not there (`no-worktree`, exit 6).
pub fn run(context: &Context, request: &Request) -> Result<Hint> {
    let settings = &context.settings;
    let ttl_minutes = request.ttl_minutes.unwrap_or(settings.default_ttl_minutes).min(settings.max_ttl_minutes);
    let path = context.root.sidecar(&request.agent).display().to_string();
    let cwd = folder(settings, request.worktree.as_deref())?;
    let example = example(context, request, &Wish { cwd, ttl_minutes })?;
    let root = context.root.dir().display().to_string();
    let facts = Facts { path: &path, example: example.as_ref(), root: request.names_root.then_some(root.as_str()) };
    Ok(Hint { text: text(settings, &facts), path, example, ttl_minutes })
}

/// The working folder of the example: the top of the worktree. `None` if the current folder is in none and must be; then
/// the agent has to find its own.
fn folder(settings: &Settings, asked: Option<&Path>) -> Result<Option<String>> {
    let here = asked.unwrap_or(Path::new("."));
    let top = worktree_top(here, settings.git_worktree_max_parent_depth)?;
    let any = || here.canonicalize().ok().filter(|dir| dir.is_dir() && !settings.require_git_workdir);
    match (top.or_else(any), asked) {
        (Some(dir), _) => Ok(dir.to_str().map(str::to_owned)),
        (None, None) => Ok(None),
        (None, Some(dir)) => {
            let message = format!("`{}` lies in no git worktree", dir.display());
            Err(Error::new(Kind::NotFound, "no-worktree", message)
                .with_hint("name a folder of the worktree that the agent works in, or leave --worktree out"))
        }
    }
}

/// What the example should hold.
struct Wish {
    cwd: Option<String>,
    ttl_minutes: u64,
}

/// A sidecar that passes, with as much of what an agent may say as the settings let through; `None` if none passes.
fn example(context: &Context, request: &Request, wish: &Wish) -> Result<Option<Value>> {
    let settings = &context.settings;
    if !settings.enabled {
        return Ok(None);
    }
    let judge = Judge::new(settings)?;
    let world = System::new(Some(context.path().as_ref()));
    let expectations =
        Expectations { agent: Some(request.agent.as_str()), work_item: Some(&request.work_item), dispatch_root: None };
    let sidecar = |fields: &[(&str, Value)]| {
        let spec: serde_json::Map<String, Value> =
            fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        json!({ "specs": [spec], "written_by": request.agent.as_str(), "wi_id": request.work_item })
    };
    let passes = |fields: &[(&str, Value)]| {
        decide(sidecar(fields).to_string().as_bytes(), &judge, &expectations, &world).is_valid()
    };
    let listed = settings.executable_allowlist.iter().map(|program| (program.as_str(), [].as_slice()));
    let Some((cmd, args)) = SERVERS.into_iter().chain(listed).find(|(cmd, _)| passes(&needed(cmd))) else {
        return Ok(None);
    };
    let mut fields = needed(cmd).to_vec();
    // What may be said beside that goes between the command and the healthcheck, each as far as it is let through.
    for optional in optional(args, wish) {
        let at = fields.len() - 1;
        fields.insert(at, optional);
        if !passes(&fields) {
            fields.remove(at);
        }
    }
    Ok(Some(sidecar(&fields)))
}

fn address() -> String {
    format!("http://127.0.0.1:{EXAMPLE_PORT}/")
}

/// What every spec must say.
fn needed(cmd: &str) -> [(&'static str, Value); 3] {
    let check = json!({
        "type": "http", "url": address(), "expect_status": EXAMPLE_STATUS, "timeout_s": EXAMPLE_TIMEOUT_S,
    });
    [("name", json!("web")), ("cmd", json!(cmd)), ("healthcheck", check)]
}

fn optional(args: &[&str], wish: &Wish) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("args", json!(args))];
    fields.extend(wish.cwd.as_ref().map(|cwd| ("cwd", json!(cwd))));
    fields.extend([
        ("env", json!({ "PORT": EXAMPLE_PORT.to_string() })),
        ("ports", json!([EXAMPLE_PORT])),
        ("ttl_minutes", json!(wish.ttl_minutes)),
        ("attrs", json!({ "base_url": address() })),
    ]);
    fields
}
