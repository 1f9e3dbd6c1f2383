//! docs/commands.md: every command with its options, from the same words as the help; and the exit codes.

use clap::CommandFactory;

use super::Arguments;
use super::exit::MEANINGS;

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
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.extend(["\n## `", &name, "`\n\n```text\n", lines.join("\n").trim_end(), "\n```\n"]);
    }
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done |\n");
    for (kind, meaning) in MEANINGS {
        text.extend(["| ", &kind.exit_code().to_string(), " | ", meaning, " |\n"]);
    }
    text.push_str("\nThe exit code is never 2, which agent harnesses read as \"block\".\n");
    text
}
