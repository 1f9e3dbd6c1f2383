//! `name`: kebab-case, at most maxNameLength characters.

use super::{Trial, is_longer, non_empty};
use crate::service::is_kebab_case;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> String {
    let Some(name) = non_empty(fields.get("name").as_ref()) else {
        let message = format!("{} has no name", trial.notes.who());
        trial.fail(&fields.place("name"), Code::NameMissing, message, "give a kebab-case name, such as \"web\"");
        return String::new();
    };
    trial.notes.name = Some(shown(&name));
    let length_max = trial.judge.settings.max_name_length;
    if is_longer(&name, length_max) {
        let message = format!("the name {} is longer than {length_max} characters", shown(&name));
        let help = format!("use at most {length_max} characters");
        trial.fail(&fields.place("name"), Code::NameTooLong.of(&format!(">{length_max}")), message, help);
    }
    if !is_kebab_case(&name) {
        let message = format!("the name {} is not kebab-case", shown(&name));
        let help = "use lower-case letters, digits and single hyphens between them, such as \"web-1\"";
        trial.fail(&fields.place("name"), Code::NameNotKebabCase.of(&name), message, help);
    }
    name.into_owned()
}
