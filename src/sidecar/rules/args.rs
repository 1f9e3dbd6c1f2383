//! `args`, of a service and of a command probe: strings, not too many, not too long.

use super::{Trial, is_longer};
use crate::service::limits::ARG_CHARS_MAX;
use crate::sidecar::codes::Code;
use crate::sidecar::spot::Fields;

/// The codes of one list of arguments.
pub(super) struct Codes {
    not_array: Code,
    too_many: Code,
    not_string: Code,
    too_long: Code,
    has_nul: Code,
}

/// The arguments of a service.
pub(super) const SERVICE: Codes = Codes {
    not_array: Code::ArgsNotArray,
    too_many: Code::ArgsTooMany,
    not_string: Code::ArgNotString,
    too_long: Code::ArgTooLong,
    has_nul: Code::ArgHasNul,
};

/// The arguments of a command probe.
pub(super) const PROBE: Codes = Codes {
    not_array: Code::HealthcheckArgsNotArray,
    too_many: Code::HealthcheckArgsTooMany,
    not_string: Code::HealthcheckArgNotString,
    too_long: Code::HealthcheckArgTooLong,
    has_nul: Code::HealthcheckArgHasNul,
};

/// The arguments; `None` if there are none declared.
pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>, codes: &Codes) -> Option<Vec<String>> {
    let spot = fields.get("args")?;
    let Some(items) = spot.node.array() else {
        let message = format!("`args` of {} is no array", trial.notes.who());
        trial.fail(&spot, codes.not_array, message, "give the arguments as an array of strings");
        return None;
    };
    let count_max = trial.judge.settings.max_args_count;
    let taken = usize::try_from(count_max).unwrap_or(usize::MAX);
    if items.len() > taken {
        let message = format!("{} has {} arguments, more than {count_max}", trial.notes.who(), items.len());
        let help = format!("give at most {count_max} arguments; a script can hold the rest");
        trial.fail(&spot, codes.too_many.of(&format!(">{count_max}")), message, help);
    }
    let mut args = Vec::with_capacity(items.len().min(taken));
    for (index, node) in items.iter().take(taken).enumerate() {
        let item = spot.item(index, *node);
        let Some(arg) = node.text() else {
            let message = format!("argument {index} of {} is no string", trial.notes.who());
            trial.fail(&item, codes.not_string, message, "put it in quotes");
            continue;
        };
        if is_longer(&arg, ARG_CHARS_MAX) {
            let message =
                format!("argument {index} of {} is longer than {ARG_CHARS_MAX} characters", trial.notes.who());
            trial.fail(&item, codes.too_long, message, "put what is long into a file and name the file");
        }
        if arg.contains('\0') {
            let message = format!("argument {index} of {} holds a NUL character", trial.notes.who());
            trial.fail(&item, codes.has_nul, message, "take the NUL out: no program can be given one");
        }
        args.push(arg.into_owned());
    }
    Some(args)
}
