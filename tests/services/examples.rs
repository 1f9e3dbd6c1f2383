//! Every example of every help is run as it stands, in a world where what it names is there.
//!
//! Each line is run by `sh`, as a person would type it, in a world of its own. What is there, for whoever writes an example:
//!
//! - agent `ripley` has services `web` and `api` running in project `shop` for work item `W-42`, in the git worktree
//!   `/repos/shop` (in an example this path stands for that of the world); `web` serves http on its port;
//! - agent `ripley` has a pending sidecar with the same services, agent `dallas` one with a service `worker`;
//! - `sidecar.json` in the current folder is a valid sidecar, which declares `worker`; the folder is writable, and so is HOME;
//! - the root is named by MINIONS_DIR; `minions` is on the PATH.
//!
//! An example must end with 0. One that goes on until interrupted must say something, and end with 0 once nobody reads; the
//! loop, once it is asked to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use minions_managed::cli::reference;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, ran, signal, wait_for};

/// Commands of which an example goes on until interrupted, by what such an example holds.
const ENDLESS: &[(&str, &str)] = &[("minions managed logs", " -f"), ("minions managed events", " -f")];

/// The command that ends with 0 when it is asked to by a signal; its first line names its pid.
const LOOP: &str = "minions managed run";

/// Worlds side by side: most of the time they wait.
const THREADS: usize = 4;

/// The world that the comment above describes.
fn prepared() -> World {
    let world = World::new();
    let shop = world.worktree("repos/shop");
    let [web, api, worker] = ["web", "api", "worker"].map(|name| {
        let mut spec = if name == "web" { world.server(name, "http") } else { world.shell(name, "exec sleep 1000") };
        spec["cwd"] = json!(shop);
        spec
    });
    let services = [web, api];
    world.declare("ripley", &services);
    let (code, report) = world.accept("ripley", &["--project", "shop", "--work-item", "W-42"]);
    assert_eq!(code, Some(0), "{report}");
    world.declare("ripley", &services);
    world.declare("dallas", std::slice::from_ref(&worker));
    let sidecar: Value = json!({"specs": [worker]});
    std::fs::write(world.dir.path().join("sidecar.json"), sidecar.to_string()).unwrap();
    world
}

/// The example as a shell line in that world.
fn line(world: &World, example: &str) -> Command {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_minions"));
    let search = format!("{}:/usr/local/bin:/usr/bin:/bin", program.parent().unwrap().display());
    let shop = world.dir.path().join("repos/shop");
    let mut command = Command::new("sh");
    command.args(["-c", &example.replace("/repos/shop", shop.to_str().unwrap())]);
    command.env_clear().env("PATH", search).env("HOME", world.dir.path()).env("MINIONS_DIR", world.root());
    command.current_dir(world.dir.path()).stdin(Stdio::null());
    command
}

fn run(command: &str, example: &str) -> Result<(), String> {
    let world = prepared();
    let mut line = line(&world, example);
    if ENDLESS.iter().any(|(endless, part)| *endless == command && example.contains(part)) {
        return run_endless(&mut line, |_| {});
    }
    if command == LOOP {
        return run_endless(&mut line, |said| {
            let pid = said.split("pid ").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
            signal(pid.unwrap_or_else(|| panic!("it names its pid: {said}")), Signal::TERM);
        });
    }
    let ran = ran(&mut line);
    if ran.code == Some(0) { Ok(()) } else { Err(format!("{ran:?}")) }
}

/// Runs a line that goes on until nobody reads what it says, or until `end` ends it, which is told the first line.
fn run_endless(line: &mut Command, end: impl Fn(&str)) -> Result<(), String> {
    let mut child = line.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut said = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut said).map_err(|error| error.to_string())?;
    drop(reader);
    end(&said);
    let child = Mutex::new(child);
    let ended = || child.lock().unwrap().try_wait().unwrap();
    wait_for("the example ends when nobody reads, or when asked", || ended().is_some());
    let status = ended().expect("it has ended");
    if status.success() && !said.is_empty() { Ok(()) } else { Err(format!("{status} after {said:?}")) }
}

#[test]
fn every_command_has_an_example_and_every_example_works() {
    let commands = reference::examples();
    let bare: Vec<&String> = commands.iter().filter(|(_, lines)| lines.is_empty()).map(|(name, _)| name).collect();
    assert!(bare.is_empty(), "no `Example: …` in the help of {bare:?}");
    let foreign = |(name, lines): &&(String, Vec<String>)| !lines.iter().any(|line| line.contains(name.as_str()));
    let foreign: Vec<&String> = commands.iter().filter(foreign).map(|(name, _)| name).collect();
    assert!(foreign.is_empty(), "the examples show another command than these: {foreign:?}");
    let flat = |(name, lines): (String, Vec<String>)| lines.into_iter().map(move |line| (name.clone(), line));
    let waiting: Mutex<Vec<(String, String)>> = Mutex::new(commands.into_iter().flat_map(flat).collect());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((command, example)) = { waiting.lock().unwrap().pop() } {
                    if let Err(why) = run(&command, &example) {
                        failed.lock().unwrap().push(format!("{example}\n    {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "\n  {}\n", failed.join("\n  "));
}
