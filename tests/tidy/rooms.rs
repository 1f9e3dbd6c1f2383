//! Who may use whom, and which crate lives in which room.

use super::{File, check, finds};

/// The rooms from the inside out, with the rooms that each may use beside itself: the map of ARCHITECTURE.md. `view`
/// draws what use cases report, so it stands between them and the doors.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("service", &["base"]),
    ("config", &["base"]),
    ("journal", &["base", "service"]),
    ("lifecycle", &["base", "service", "config"]),
    ("logs", &["base"]),
    ("process", &["base", "service", "config"]),
    ("sidecar", &["base", "service", "config"]),
    ("state", &["base", "service", "config"]),
    ("text", &["base", "service", "config"]),
    // A run moves by its table, and a lease is judged by its own.
    ("runs", &["base", "service", "lifecycle"]),
    // Whose socket answered is a question to the system.
    ("health", &["base", "service", "config", "process"]),
    // A command sink is a process.
    ("delivery", &["base", "service", "config", "process"]),
    (
        "ops",
        &[
            "base",
            "service",
            "config",
            "delivery",
            "journal",
            "lifecycle",
            "logs",
            "process",
            "runs",
            "sidecar",
            "state",
            "text",
            "health",
        ],
    ),
    ("view", &["base", "service", "config", "delivery", "journal", "runs", "sidecar", "ops"]),
    ("shim", &["base", "service", "lifecycle", "process", "state"]),
    ("cli", &["base", "service", "config", "journal", "runs", "sidecar", "state", "ops", "view"]),
];

/// The crates that only these files may name. Every dependency stands here, or is named in `EVERYWHERE`.
const CRATES: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["src/sidecar/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/completions.rs"]),
    ("clap_mangen", &["src/cli/man.rs"]),
    ("fs2", &["src/base/lock.rs"]),
    ("http", &["src/health/", "src/sidecar/"]),
    ("jsonschema", &["src/sidecar/"]),
    ("libc", &["src/process/"]),
    ("regex", &["src/base/redact.rs", "src/config/", "src/health/", "src/service/", "src/sidecar/"]),
    ("regex_syntax", &["src/service/"]),
    ("serde", &["src/base/json.rs", "src/config/", "src/delivery/", "src/sidecar/", "src/state/", "src/view/"]),
    ("sha1", &["src/state/etag.rs", "src/service/", "src/runs/payload.rs"]),
    ("shlex", &["src/health/", "src/view/"]),
    ("signal_hook", &["src/shim/", "src/process/"]),
    ("sysinfo", &["src/process/"]),
    ("tempfile", &["src/base/", "src/ops/demo_stage.rs"]),
    ("unicode_width", &["src/view/"]),
    ("ureq", &["src/delivery/sinks/webhook.rs", "src/health/"]),
];

/// Crates that every room may use: the system's calls, JSON as a value, and diagnostics.
const EVERYWHERE: &[&str] = &["log", "rustix", "serde_json"];

fn room(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    rest.split(['/', '.']).next().filter(|name| !matches!(*name, "lib" | "main"))
}

/// The names that follow `crate::` in a line: one, or those between braces.
fn named_rooms(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let group = rest.strip_prefix('{').and_then(|list| list.split('}').next()).unwrap_or(rest);
        let parts: Vec<&str> = if group == rest { vec![rest] } else { group.split(',').collect() };
        for part in parts {
            let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }
    names
}

fn imports(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        let Some(room) = room(&file.path) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!("{}: `{room}` stands in no row of ROOMS", file.path));
            continue;
        };
        for (line, code) in file.code() {
            for name in named_rooms(&code) {
                if name != room && !allowed.contains(&name.as_str()) {
                    complaints.push(format!("{}:{line}: `{room}` may not use `{name}`", file.path));
                }
            }
        }
    }
    complaints
}

/// Whether `code` names the crate, as a path's head.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let is_head = before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '.'));
        is_head && (code[at + name.len()..].starts_with("::") || (after == Some(';') && code.starts_with("use ")))
    })
}

fn crates(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        for (line, code) in file.code() {
            for (name, allowed) in CRATES {
                if names_crate(&code, name) && !allowed.iter().any(|prefix| file.path.starts_with(prefix)) {
                    complaints.push(format!("{}:{line}: `{name}` lives in {}", file.path, allowed.join(", ")));
                }
            }
        }
    }
    complaints
}

/// Dependencies that no row knows, or that no file uses.
fn dependencies(files: &[File]) -> Vec<String> {
    let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") else { return Vec::new() };
    let mut section = "";
    let mut complaints = Vec::new();
    for line in manifest.text.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('[')) else { continue };
        if !section.ends_with("dependencies]") || section.contains("dev-") {
            continue;
        }
        let name = name.replace('-', "_");
        let is_known = CRATES.iter().any(|(known, _)| *known == name) || EVERYWHERE.contains(&name.as_str());
        let sources = files.iter().filter(|file| file.is_source());
        let is_used = sources.flat_map(File::code).any(|(_, code)| names_crate(&code, &name));
        if !is_known {
            complaints.push(format!("Cargo.toml: `{name}` stands in no row of CRATES"));
        }
        if !is_used {
            complaints.push(format!("Cargo.toml: nothing uses `{name}`"));
        }
    }
    complaints
}

/// Structs that derive serde outside of the files that are the contract's JSON.
fn derives(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && !file.path.contains("wire")) {
        for (line, code) in file.code() {
            let derived = code.trim().strip_prefix("#[derive(").unwrap_or_default();
            if derived.contains("Serialize") || derived.contains("Deserialize") {
                complaints.push(format!("{}:{line}: serde is derived in wire files only", file.path));
            }
        }
    }
    complaints
}

#[test]
fn rooms_use_only_the_rooms_further_in() {
    check(imports);
    finds(
        imports,
        "src/lifecycle/x.rs",
        "use crate::base::a;\nuse crate::state::b;\n",
        &["src/lifecycle/x.rs:2: `lifecycle` may not use `state`"],
    );
    finds(
        imports,
        "src/base/x.rs",
        "fn f() { crate::service::g() } // crate::ops\n",
        &["src/base/x.rs:1: `base` may not use `service`"],
    );
    finds(
        imports,
        "src/ops/x.rs",
        "use crate::{base, view, cli::Door};\n",
        &["src/ops/x.rs:1: `ops` may not use `view`", "src/ops/x.rs:1: `ops` may not use `cli`"],
    );
    finds(imports, "src/cellar/x.rs", "", &["src/cellar/x.rs: `cellar` stands in no row of ROOMS"]);
}

#[test]
fn the_map_of_rooms_has_no_circle() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for name in *allowed {
            assert!(ROOMS[..at].iter().any(|(inner, _)| inner == name), "`{room}` uses `{name}`, which is further out");
        }
    }
}

#[test]
fn every_crate_lives_in_its_room() {
    check(crates);
    finds(crates, "src/ops/x.rs", "use clap::Args;\n", &["src/ops/x.rs:1: `clap` lives in src/cli/"]);
    finds(
        crates,
        "src/ops/x.rs",
        "fn f() { ureq::get(y) }\n",
        &["src/ops/x.rs:1: `ureq` lives in src/delivery/sinks/webhook.rs, src/health/"],
    );
    finds(crates, "src/ops/x.rs", "use super::clap::x; // ureq::y\n", &[]);
    finds(crates, "src/base/x.rs", "use fs2;\n", &["src/base/x.rs:1: `fs2` lives in src/base/lock.rs"]);
}

#[test]
fn every_dependency_is_known_and_used() {
    check(dependencies);
    finds(
        dependencies,
        "Cargo.toml",
        "[dependencies]\nleft-pad = \"1\"\n[dev-dependencies]\nx = \"1\"\n",
        &["Cargo.toml: `left_pad` stands in no row of CRATES", "Cargo.toml: nothing uses `left_pad`"],
    );
}

#[test]
fn only_wire_files_derive_serde() {
    check(derives);
    finds(
        derives,
        "src/service/record.rs",
        "#[derive(Debug, Serialize)]\n",
        &["src/service/record.rs:1: serde is derived in wire files only"],
    );
    finds(derives, "src/state/wire/read.rs", "#[derive(Debug, Deserialize)]\n", &[]);
}
