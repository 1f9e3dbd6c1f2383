//! A command line that clap refused, in our words: one sentence, a hint, exit 64. Clap's own exit code 2 is never used.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::base::error::{Error, Kind};
use crate::base::nearest::nearest;

use super::global::Format;

/// What clap stopped at.
pub(crate) enum Stopped {
    /// Help or a version was asked for: print this, exit 0.
    Answered(String),
    /// The command line is wrong.
    Refused(Error),
}

/// Turns clap's refusal of a command line into ours.
pub(crate) fn stopped(refusal: &clap::Error) -> Stopped {
    let rendered = refusal.render().to_string();
    if refusal.kind() == ErrorKind::DisplayHelp {
        return Stopped::Answered(rendered);
    }
    if refusal.kind() == ErrorKind::DisplayVersion {
        return Stopped::Answered(super::version());
    }
    if refusal.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let error = Error::new(Kind::Usage, "usage", "a command is missing");
        return Stopped::Refused(error.with_hint("every command: minions managed --help"));
    }
    if refusal.kind() == ErrorKind::InvalidSubcommand {
        return Stopped::Refused(no_such_command(refusal));
    }
    let mut parts = rendered.split("\n\n");
    let message = one_line(parts.next().unwrap_or_default());
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let parts: Vec<String> = parts.map(one_line).collect();
    let tip = parts.iter().find_map(|part| Some(part.strip_prefix("tip: ")?.replace(" tip: ", "; ")));
    let usage = || parts.iter().find_map(|part| Some(format!("usage: {}", part.strip_prefix("Usage: ")?)));
    let hint = tip.or_else(usage).unwrap_or_else(|| "every option: --help".to_owned());
    Stopped::Refused(Error::new(Kind::Usage, "usage", message).with_hint(hint))
}

/// A word where a command should stand. Clap would name every command that is a little like it; we name the nearest.
fn no_such_command(refusal: &clap::Error) -> Error {
    let word = match refusal.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.clone(),
        _ => String::new(),
    };
    let names = super::command_names();
    let hint = match nearest(&word, names.iter().map(String::as_str)) {
        Some(known) => format!("nearest: minions managed {known}"),
        None => "every command: minions managed --help".to_owned(),
    };
    Error::new(Kind::Usage, "usage", format!("`{word}` is no command")).with_hint(hint)
}

/// The format that a command line asks for, though it may be wrong in other ways.
pub(crate) fn format_asked(args: &[OsString]) -> Format {
    let is_json = |pair: &[OsString]| pair[0] == "--format" && pair[1] == "json";
    let json = args.iter().any(|arg| arg == "--format=json") || args.windows(2).any(is_json);
    if json { Format::Json } else { Format::Table }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "`")
}
