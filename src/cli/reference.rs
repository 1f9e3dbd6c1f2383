//! The tree of commands, for all that is written from it: docs/commands.md, the manual pages, completions, and tests.

use clap::{Command, CommandFactory, Parser};

use super::Arguments;
use super::exit::MEANINGS;

/// What an example in a command's help starts with; further ones stand on lines of their own below it.
const EXAMPLE: &str = "Example: ";

/// The tree of commands as the parser sees it.
pub(super) fn tree() -> Command {
    let mut tree = Arguments::command();
    tree.build();
    tree
}

/// The commands below `command`, without those that only help shows: `help` itself and what is hidden.
pub(super) fn shown_subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
}

/// The examples that `command`'s help gives: lines for a POSIX shell.
pub(super) fn examples_of(command: &Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some(examples) = text.strip_prefix(EXAMPLE) else { return Vec::new() };
    examples.lines().map(|line| line.trim().to_owned()).collect()
}

/// Every command, as it is typed (`minions managed list`), with the examples of its help.
pub fn examples() -> Vec<(String, Vec<String>)> {
    fn push(found: &mut Vec<(String, Vec<String>)>, command: &Command) {
        let typed = command.get_bin_name().unwrap_or_else(|| command.get_name());
        found.push((typed.to_owned(), examples_of(command)));
        shown_subcommands(command).for_each(|below| push(found, below));
    }
    let mut found = Vec::new();
    push(&mut found, &tree());
    found
}

/// Whether `words`, the program's name first, are a command line that would be run; the error is the parser's own text.
pub fn check_line(words: &[&str]) -> Result<(), String> {
    Arguments::try_parse_from(words).map(drop).map_err(|refusal| refusal.to_string())
}

/// The text of docs/commands.md.
pub fn markdown() -> String {
    let mut root = Arguments::command().term_width(100);
    root.build();
    let managed = root.find_subcommand_mut("managed").expect("it is declared in cli/mod.rs");
    let mut text = String::from(
        "# Commands\n\n\
         Written from `src/cli/` by `tests/generated.rs`; change it there. `minions managed COMMAND --help` says the same.\n\n\
         Data goes to stdout, everything else to stderr. With `--format json` stdout holds one JSON document; a failure is \
         `{\"error\": {\"code\", \"message\", \"hint\"}}` there, and a sentence on stderr in any case.\n",
    );
    let names: Vec<String> =
        managed.get_subcommands().map(|sub| sub.get_name().to_owned()).filter(|name| name != "help").collect();
    for name in names {
        let command = managed.find_subcommand_mut(&name).expect("its name was just listed");
        push_help(&mut text, "##", &name, command);
        for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
            let name = format!("{name} {}", below.get_name());
            push_help(&mut text, "###", &name, below);
        }
    }
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done |\n");
    for (kind, meaning) in MEANINGS {
        text.extend(["| ", &kind.exit_code().to_string(), " | ", meaning, " |\n"]);
    }
    text.push_str("\nThe exit code is never 2, which agent harnesses read as \"block\".\n");
    text
}

/// A section with the help of `command`.
fn push_help(text: &mut String, mark: &str, name: &str, command: &mut Command) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.extend(["\n", mark, " `", name, "`\n\n```text\n", lines.join("\n").trim_end(), "\n```\n"]);
}
