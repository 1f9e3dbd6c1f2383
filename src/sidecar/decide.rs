//! The verdict itself: read, judge, locate.

use super::codes::Code;
use super::notes::Notes;
use super::rules::{self, Trial};
use super::source::{self, BYTES_MAX, DEPTH_MAX, Fault, Node};
use super::spot::{Fields, Spot};
use super::{Expectations, Judge, Sidecar, Surroundings, Verdict, schema};

/// Judges `bytes` by the rules alone: the fast path, complete in itself.
pub fn decide(bytes: &[u8], judge: &Judge, expectations: &Expectations<'_>, world: &dyn Surroundings) -> Verdict {
    let (mut notes, _, sidecar) = judged(bytes, judge, expectations, world);
    conclude(&mut notes, bytes, sidecar)
}

/// Judges `bytes` by the rules, and its structure also by the JSON Schema: for whoever is shown the verdict. A schema
/// failure where no rule speaks becomes an issue `schema-violation`; that the two agree is tested, so there is none.
pub fn decide_with_schema(
    bytes: &[u8],
    judge: &Judge,
    expectations: &Expectations<'_>,
    world: &dyn Surroundings,
) -> Verdict {
    let (mut notes, node, sidecar) = judged(bytes, judge, expectations, world);
    if let Some(node) = node {
        schema::judge(&mut notes, node, judge.schema());
    }
    conclude(&mut notes, bytes, sidecar)
}

/// The priority that a sidecar asks for, from -1000 to 1000: 0 where it does not say, or says none. The rest of it is not judged.
pub fn priority(bytes: &[u8]) -> i16 {
    let document = source::read(bytes).ok();
    let fields = document.and_then(|node| Fields::open(Spot::whole(node)));
    fields.and_then(|fields| rules::priority(&fields)).unwrap_or(0)
}

fn judged<'a>(
    bytes: &'a [u8],
    judge: &Judge,
    expectations: &Expectations<'_>,
    world: &dyn Surroundings,
) -> (Notes, Option<Node<'a>>, Option<Sidecar>) {
    let mut trial = Trial { judge, expectations, world, notes: Notes::default(), last_workdir: None };
    match source::read(bytes) {
        Ok(node) => {
            let sidecar = rules::document(&mut trial, node);
            (trial.notes, Some(node), sidecar)
        }
        Err(fault) => {
            unreadable(&mut trial.notes, bytes, &fault);
            (trial.notes, None, None)
        }
    }
}

fn conclude(notes: &mut Notes, bytes: &[u8], sidecar: Option<Sidecar>) -> Verdict {
    notes.locate(bytes);
    let sidecar = sidecar.filter(|_| notes.issues.is_empty());
    Verdict { issues: std::mem::take(&mut notes.issues), warnings: std::mem::take(&mut notes.warnings), sidecar }
}

/// Says why a text is no document.
fn unreadable(notes: &mut Notes, bytes: &[u8], fault: &Fault) {
    match fault {
        Fault::TooLarge => {
            let message = format!("the file has more than {BYTES_MAX} bytes");
            let help = "keep to the services: large data belongs into files of its own";
            notes.fail_text(0..0, Code::TooLarge.of(&format!(">{BYTES_MAX}B")), message, help);
        }
        Fault::NotUtf8(at) => {
            let message = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                "the file is UTF-16, not UTF-8".to_owned()
            } else {
                format!("byte {at} of the file is no UTF-8")
            };
            notes.fail_text(*at..*at + 1, Code::NotUtf8, message, "save the file as UTF-8 without a byte order mark");
        }
        Fault::Syntax(why, at) => {
            let message = format!("the file is no JSON: {why}");
            notes.fail_text(
                *at..*at,
                Code::JsonParse.of(why),
                message,
                "correct the JSON at this place; write the file whole, then rename it",
            );
        }
        Fault::TooDeep(at) => {
            let message = format!("the file nests deeper than {DEPTH_MAX} levels");
            notes.fail_text(*at..*at + 1, Code::TooDeep, message, "nest less");
        }
    }
}
