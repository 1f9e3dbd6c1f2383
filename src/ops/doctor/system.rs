//! What the system lets us do, as far as services depend on it.

use std::io;
use std::time::Duration;

use crate::process::{self, Abilities};

use super::finding::{Area, Finding, counted};

/// From here on zombies crowd the process table: the usual limit of a container is a few thousand.
const UNREAPED_MANY: usize = 1000;

/// A first process that reaps does so at once. Where it never does, each check-up takes this much longer; where it is only
/// busy, a note too many is the worst.
const PATIENCE: Duration = Duration::from_millis(100);

pub(super) struct Facts {
    abilities: Abilities,
    /// Whether this user sees every process whatever /proc hides.
    is_root: bool,
    /// Processes that the first process has not reaped in all that time.
    unreaped: usize,
}

pub(super) fn observe() -> Facts {
    Facts {
        abilities: process::observe_abilities(),
        is_root: rustix::process::geteuid().is_root(),
        unreaped: process::observe_unreaped(PATIENCE),
    }
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { abilities: Abilities { boot_id, process_table, pidfd, subreaper, hidepid }, is_root, unreaped } = facts;
    let failed = |tried: &io::Result<()>| tried.as_ref().err().map(ToString::to_string);
    let mut findings = Vec::new();
    if let Some(why) = failed(boot_id) {
        let message =
            format!("this boot's id cannot be read ({why}), so that no process can be told from an earlier boot's");
        let hint = "mount /proc with /proc/sys/kernel/random/boot_id readable";
        findings.push(Area::System.error("boot-id-unreadable", message).with_hint(hint));
    }
    if let Some(why) = failed(process_table) {
        let message = format!("this very process is not in the process table ({why}): liveness is unknown throughout");
        findings.push(Area::System.error("process-table-unreadable", message).with_hint("mount /proc"));
    }
    if let Some(why) = failed(pidfd) {
        let message = format!(
            "there are no descriptors for processes ({why}): between the check of an identity and a signal a pid could \
             change hands"
        );
        findings
            .push(Area::System.warning("no-pidfd", message).with_hint("Linux 5.3 has them; a sandbox may forbid them"));
    }
    if let Some(why) = failed(subreaper) {
        let message = format!("a shim cannot become the parent of orphans ({why}): a service's stray children live on");
        findings.push(
            Area::System.warning("no-subreaper", message).with_hint("docs/platforms.md says what is weaker then"),
        );
    }
    if let Some(word) = hidepid.as_ref().filter(|_| !is_root) {
        let message = format!(
            "/proc hides other users' processes (hidepid={word}): whose listener holds a port cannot always be told"
        );
        findings.push(
            Area::System.note("processes-hidden", message).with_hint("services of this user are seen all the same"),
        );
    }
    findings.extend(of_unreaped(*unreaped));
    if findings.is_empty() {
        let message =
            "processes can be told apart, signalled by descriptor and adopted; the first process reaps its own";
        findings.push(Area::System.ok("system-able", message));
    }
    findings
}

fn of_unreaped(count: usize) -> Option<Finding> {
    let message = format!(
        "{} not reaped by the first process within {} ms; if it never does, each shim that ends adds one",
        counted(count, "ended process was", "ended processes were"),
        PATIENCE.as_millis()
    );
    let hint = "start the container with an init that reaps, such as docker run --init";
    match count {
        0 => None,
        1..UNREAPED_MANY => Some(Area::System.note("zombies-unreaped", message).with_hint(hint)),
        UNREAPED_MANY.. => Some(Area::System.warning("zombies-many", message).with_hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(change: fn(&mut Facts)) -> Facts {
        let abilities =
            Abilities { boot_id: Ok(()), process_table: Ok(()), pidfd: Ok(()), subreaper: Ok(()), hidepid: None };
        let mut facts = Facts { abilities, is_root: false, unreaped: 0 };
        change(&mut facts);
        facts
    }

    #[test]
    fn each_ability_that_is_missing_is_said() {
        let check = |change: fn(&mut Facts), expected: &[&str]| {
            let codes: Vec<&str> = judge(&facts(change)).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        fn refused() -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        check(|_| (), &["system-able"]);
        check(|facts| facts.abilities.boot_id = refused(), &["boot-id-unreadable"]);
        check(|facts| facts.abilities.process_table = refused(), &["process-table-unreadable"]);
        check(|facts| facts.abilities.pidfd = refused(), &["no-pidfd"]);
        check(|facts| facts.abilities.subreaper = refused(), &["no-subreaper"]);
        check(|facts| facts.abilities.hidepid = Some("2".into()), &["processes-hidden"]);
        check(|facts| (facts.abilities.hidepid, facts.is_root) = (Some("2".into()), true), &["system-able"]);
        check(|facts| facts.unreaped = 1, &["zombies-unreaped"]);
        check(|facts| facts.unreaped = UNREAPED_MANY - 1, &["zombies-unreaped"]);
        check(|facts| facts.unreaped = UNREAPED_MANY, &["zombies-many"]);
    }
}
