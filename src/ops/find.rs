//! Finds services by name, and says what is near when there is none.

use crate::base::error::{Error, Kind, Result};
use crate::base::nearest::nearest;
use crate::service::Record;
use crate::state::Document;

/// The record of that name. The error (`no-such-service`, exit 6) names the nearest.
pub fn find<'a>(document: &'a Document, name: &str) -> Result<&'a Record> {
    document.find(name).ok_or_else(|| no_such_service(document, name))
}

/// The error for a name that no service has: with the services declared under that name elsewhere, or the nearest name.
pub fn no_such_service(document: &Document, name: &str) -> Error {
    let shown: String = name.chars().take(140).collect();
    let error =
        Error::new(Kind::NotFound, "no-such-service", format!("there is no service `{}`", shown.escape_debug()));
    let declared: Vec<String> = document
        .records
        .iter()
        .filter(|record| record.spec.name == name)
        .map(|record| format!("`{}`", record.name))
        .collect();
    if !declared.is_empty() {
        return error.with_hint(format!("declared under that name: {}", declared.join(", ")));
    }
    match nearest(name, document.records.iter().map(|record| record.name.as_str())) {
        Some(known) => error.with_hint(format!("nearest: `{known}`")),
        None => error.with_hint("every service: minions managed list"),
    }
}

/// The error for a project that no service belongs to: with the nearest project.
pub fn no_such_project(document: &Document, project: &str) -> Error {
    let shown: String = project.chars().take(140).collect();
    let message = format!("no service belongs to project `{}`", shown.escape_debug());
    let known = document.records.iter().map(|record| record.owner.project.as_str()).filter(|known| !known.is_empty());
    Error::new(Kind::NotFound, "no-such-project", message).with_hint(match nearest(project, known) {
        Some(known) => format!("nearest: `{}`", known.escape_debug()),
        None => "every service with its project: minions managed list".to_owned(),
    })
}
