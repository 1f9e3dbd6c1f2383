//! `man`: the manual pages, from the same words as the help. Impure: writes the pages where it is told to.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use serde_json::json;

use crate::base::error::{Error, Kind, Result};
use crate::base::nearest::nearest;
use crate::view::wire;

use super::exit::{End, MEANINGS, Outcome};
use super::{Door, reference};

/// Print a manual page, or write all of them into a folder
///
/// To read one: minions managed man | man -l -
/// With --dir, the page of the command `list` is minions-managed-list.1, and each file's name is printed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed man list\n         minions managed man --dir man1")]
pub(super) struct Args {
    /// The command whose page to print; none: the main page
    #[arg(value_name = "COMMAND", num_args = 0.., conflicts_with = "dir")]
    command: Vec<String>,
    /// Folder to write every page to; it is made if need be
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// One manual page.
struct Page {
    /// `minions-managed-list`.
    name: String,
    /// In roff.
    text: Vec<u8>,
}

/// Where files of ours lie and what variables mean, for every page (contract section 1).
const FILES: [(&str, &str); 9] = [
    ("config.json", "settings, under the key path engine.managedSpawn"),
    ("agents/AGENT/managed-spawn.json", "the sidecar in which an agent declares services"),
    ("engine/managed-processes.json", "the state file: a record of each service"),
    ("engine/managed-logs/NAME.log", "what a service writes"),
    ("engine/managed-run/NAME/GENERATION/", "what the shim of a service knows"),
    ("engine/managed-run/NAME/at-rest.json", "a copy of the record of a service without a process"),
    ("engine/managed-outbox/", "how far each sink of events has come, and its dead letters"),
    ("engine/managed.log", "what commands that nobody watches had to say"),
    ("notes/inbox/", "alerts for people"),
];
const ENVIRONMENT: [(&str, &str); 3] = [
    ("MINIONS_DIR", "the root, where no --root is given"),
    ("MINIONS_LOG", "how much to tell on stderr: off, error, warn, info, debug or trace"),
    ("NO_COLOR", "not empty: no colour"),
];

/// Prints or writes the pages.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    match &args.dir {
        Some(dir) => write_all(dir, door),
        None => print_one(&args.command, door),
    }
}

fn print_one(command: &[String], door: &Door) -> Outcome {
    let wanted = ["minions", "managed"].into_iter().chain(command.iter().map(String::as_str)).collect::<Vec<_>>();
    let wanted = wanted.join("-");
    let mut pages = pages()?;
    let Some(at) = pages.iter().position(|page| page.name == wanted) else {
        return Err(no_such_page(&command.join(" "), &pages));
    };
    let page = pages.swap_remove(at);
    if door.ui.is_json() {
        let text = String::from_utf8_lossy(&page.text);
        door.ui.data(wire::line(&json!({ "name": page.name, "text": text })))?;
        return Ok(End::Done);
    }
    door.ui.bytes(page.text)?;
    if door.ui.is_terminal() {
        let words: String = command.iter().flat_map(|word| [" ", word]).collect();
        door.ui.note(&format!("\nto read it: minions managed man{words} | man -l -"));
    }
    Ok(End::Done)
}

fn no_such_page(word: &str, pages: &[Page]) -> Error {
    let names = pages.iter().filter_map(|page| page.name.strip_prefix("minions-managed-"));
    let hint = nearest(word, names).map_or_else(
        || "every command: minions managed --help".to_owned(),
        |known| format!("nearest: minions managed man {known}"),
    );
    Error::new(Kind::Usage, "usage", format!("`{}` is no command", word.escape_debug())).with_hint(hint)
}

/// Writes every page, and says which.
#[expect(clippy::disallowed_methods, reason = "pages are for whomever the caller's umask lets read them")]
fn write_all(dir: &Path, door: &Door) -> Outcome {
    std::fs::create_dir_all(dir).map_err(|error| Error::io(format!("cannot make `{}`", dir.display()), error))?;
    let mut written = Vec::new();
    for page in pages()? {
        let path = dir.join(format!("{}.1", page.name));
        std::fs::write(&path, &page.text)
            .map_err(|error| Error::io(format!("cannot write `{}`", path.display()), error))?;
        written.push(path.display().to_string());
    }
    door.ui.data(if door.ui.is_json() {
        wire::line(&json!({ "items": written }))
    } else {
        written.iter().flat_map(|path| [path, "\n"]).collect()
    })?;
    Ok(End::Done)
}

/// Every page, that of `minions managed` first.
fn pages() -> Result<Vec<Page>> {
    let tree = reference::tree();
    let managed = tree.find_subcommand("managed").expect("it is declared in cli/mod.rs");
    let mut pages = Vec::new();
    push_pages(&mut pages, managed).map_err(|error| Error::io("cannot render the manual pages", error))?;
    Ok(pages)
}

fn push_pages(pages: &mut Vec<Page>, command: &clap::Command) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push(Page { text: page(command, &name)?, name });
    reference::shown_subcommands(command).try_for_each(|below| push_pages(pages, below))
}

fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    // Not by `Man`: it would put the name into the place of the date, which a page that says what a version does needs not.
    let mut text = format!(".TH {} 1 \"\" \"{}\"\n", name.to_uppercase(), super::version().trim()).into_bytes();
    man.render_name_section(&mut text)?;
    let mut roff = Roff::new();
    push_synopsis(&mut roff, command);
    roff.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut roff = Roff::new();
    push_commands(&mut roff, command);
    push_examples(&mut roff, command);
    push_exit_codes(&mut roff);
    push_pairs(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    push_pairs(&mut roff, "FILES", &FILES);
    roff.control("PP", []);
    let root =
        "Paths are under the root: --root, else $MINIONS_DIR, else the nearest folder .minions, else ~/.minions.";
    roff.text([roman(root)]);
    if name != "minions-managed" {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("minions-managed"), roman("(1)")]);
    }
    roff.to_writer(&mut text)?;
    Ok(ascii(&text))
}

/// The same page with letters beyond ASCII as roff names them: without a preprocessor roff reads bytes.
fn ascii(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let named = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    text.chars().map(named).collect::<String>().into_bytes()
}

fn push_synopsis(roff: &mut Roff, command: &clap::Command) {
    let usage = command.clone().render_usage().to_string();
    let typed = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let words = usage.trim().strip_prefix("Usage: ").unwrap_or(&usage);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold(typed), roman(words.strip_prefix(typed).unwrap_or_default())]);
}

fn push_commands(roff: &mut Roff, command: &clap::Command) {
    let mut below = reference::shown_subcommands(command).peekable();
    if below.peek().is_some() {
        roff.control("SH", ["COMMANDS"]);
    }
    for command in below {
        roff.control("TP", []);
        roff.text([bold(command.get_name())]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
}

fn push_examples(roff: &mut Roff, command: &clap::Command) {
    let examples = reference::examples_of(command);
    if examples.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in examples {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn push_exit_codes(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    let codes = MEANINGS.iter().map(|(kind, meaning)| (kind.exit_code(), meaning.replace('`', "")));
    for (code, meaning) in std::iter::once((0, "done".to_owned())).chain(codes) {
        roff.control("TP", []);
        roff.text([bold(code.to_string())]);
        roff.text([roman(meaning)]);
    }
}

fn push_pairs(roff: &mut Roff, heading: &str, pairs: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (word, meaning) in pairs {
        roff.control("TP", []);
        roff.text([italic(*word)]);
        roff.text([roman(*meaning)]);
    }
}
