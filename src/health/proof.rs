//! Whose socket answered a probe over loopback (contract section 7). `decide` is pure; `observe` gathers what it needs.
//! Impure: looks at sockets and their holders.
//!
//! What counts is the **listener**: the socket that the kernel picks for the address that we reached. Beside it stands the
//! **accepted** socket, the server's end of our own connection: while it is open it says who has answered even where
//! several listeners share one address (SO_REUSEPORT).

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::config::ListenerProof;
use crate::process::{
    Socket, answering, observe_all_holders, observe_holders, observe_identity, observe_listeners, observe_offspring,
    observe_server_end,
};
use crate::service::Proof;

use super::ports::who;
use super::{Failure, Target};

/// What is known of one process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// It is in the service's own tree.
    pub(super) is_ours: bool,
    /// The other managed service in whose tree it is.
    pub(super) other: Option<String>,
    /// It started before the service did.
    pub(super) is_older: bool,
}

/// Whose one socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A process of the service's own tree holds it, whoever else does.
    Ours,
    /// None of ours holds it, and one holder is provably someone else.
    Foreign(Holder),
    /// Nobody can say: no holder is to be seen, or only such as may be the service's (a container's, a daemon's).
    Unknown,
}

impl Owner {
    /// Of a socket with these holders.
    fn of(holders: Vec<Holder>) -> Self {
        if holders.iter().any(|holder| holder.is_ours) {
            return Self::Ours;
        }
        let foreign = holders.into_iter().find(|holder| holder.is_foreign());
        foreign.map_or(Self::Unknown, Self::Foreign)
    }
}

impl Holder {
    fn is_foreign(&self) -> bool {
        !self.is_ours && (self.other.is_some() || self.is_older)
    }
}

/// What follows for the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The service itself answered.
    Tree,
    /// It may have.
    Unverified,
    /// Provably someone else answered.
    Foreign(Holder),
    /// It is not proven that the service answered, and the setting wants proof.
    Unproven,
}

/// Judges by the owners of the listeners that may have answered, and of the accepted socket if it was seen.
///
/// `prefer`: the accepted socket decides if its owner is known; else all listeners ours is proof, all foreign is proof of
/// the contrary, and everything between passes unverified: with at least one listener that may be ours, the answer is not
/// provably someone else's. `require`: every listener must be ours, and nobody else may hold the accepted socket; without
/// a listener (one that stopped listening after the first client), the accepted socket must be ours.
pub(super) fn decide(policy: ListenerProof, listeners: &[Owner], accepted: Option<&Owner>) -> Verdict {
    let foreign = |owner: &Owner| match owner {
        Owner::Foreign(holder) => Some(holder.clone()),
        Owner::Ours | Owner::Unknown => None,
    };
    let all_ours = listeners.iter().all(|owner| *owner == Owner::Ours);
    let accepted_foreign = accepted.and_then(foreign);
    let accepted_ours = accepted == Some(&Owner::Ours);
    match policy {
        ListenerProof::Off => Verdict::Unverified,
        ListenerProof::Prefer | ListenerProof::Require if accepted_foreign.is_some() => {
            accepted_foreign.map_or(Verdict::Unproven, Verdict::Foreign)
        }
        ListenerProof::Require => match listeners.iter().find_map(foreign) {
            Some(holder) => Verdict::Foreign(holder),
            None if all_ours && (accepted_ours || !listeners.is_empty()) => Verdict::Tree,
            None => Verdict::Unproven,
        },
        ListenerProof::Prefer if accepted_ours || (all_ours && !listeners.is_empty()) => Verdict::Tree,
        ListenerProof::Prefer => match listeners.iter().map(foreign).collect::<Option<Vec<_>>>() {
            Some(all_foreign) => all_foreign.into_iter().next().map_or(Verdict::Unverified, Verdict::Foreign),
            None => Verdict::Unverified,
        },
    }
}

/// Our connection to a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The server's.
    pub(super) peer: SocketAddr,
    /// Ours.
    pub(super) local: SocketAddr,
}

/// Looks who answered on the connection `ends`, over loopback, while it is open. `Err` is why the probe fails.
pub(super) fn observe(policy: ListenerProof, ends: Ends, target: &Target<'_>) -> Result<Proof, Failure> {
    if policy == ListenerProof::Off {
        return Ok(Proof::Unverified);
    }
    // What cannot be observed is not known; what follows from that the policy says.
    let accepted = observe_server_end(ends.peer, ends.local).ok().flatten();
    if policy == ListenerProof::Prefer && accepted.is_some_and(|socket| is_near(socket.inode, target)) {
        // The common case: `decide` would not look at the listeners.
        return Ok(Proof::Tree);
    }
    let listeners = observe_listeners(&[ends.peer.port()]).unwrap_or_default();
    let listeners = answering(&listeners, ends.peer);
    // All at once: to look into every process costs the same for one socket as for several.
    let inodes: Vec<u64> = listeners.iter().chain(&accepted).map(|socket| socket.inode).collect();
    let owners = observe_owners(&inodes, target);
    let owner = |socket: &Socket| owners.get(&socket.inode).cloned().unwrap_or(Owner::Unknown);
    let listeners: Vec<Owner> = listeners.iter().map(owner).collect();
    let accepted = accepted.as_ref().map(owner);
    match decide(policy, &listeners, accepted.as_ref()) {
        Verdict::Tree => Ok(Proof::Tree),
        Verdict::Unverified => Ok(Proof::Unverified),
        Verdict::Foreign(holder) => Err(explain(ends.peer, &holder)),
        Verdict::Unproven => Err(Failure::new(format!(
            "it is not proven that the service itself answered at {}, and `listenerProof` is `require`",
            ends.peer
        ))),
    }
}

/// Whether the service's own process holds the socket, or one that descends from it in plain sight.
fn is_near(inode: u64, target: &Target<'_>) -> bool {
    let holds = |pids: &[u32]| !observe_holders(&[inode], pids).is_empty();
    target.service.is_some_and(|service| holds(&[service.pid]) || holds(&observe_offspring(service.pid)))
}

fn explain(peer: SocketAddr, holder: &Holder) -> Failure {
    let which = match &holder.other {
        Some(name) => format!(" (service `{name}`)"),
        None => ", which is older than this service".to_owned(),
    };
    Failure::new(format!("another process answers at {peer}: {}{which}", who(holder.pid)))
}

/// Whose the sockets are. The service's own process is looked at first, then what descends from it in plain sight, then its
/// whole tree, and every process only if that leaves one open: how many strangers there are must not slow a start.
fn observe_owners(inodes: &[u64], target: &Target<'_>) -> HashMap<u64, Owner> {
    let mut owners: HashMap<u64, Owner> = HashMap::new();
    if inodes.is_empty() {
        return owners;
    }
    let mut take_ours = |pids: &[u32]| {
        owners.extend(observe_holders(inodes, pids).into_keys().map(|inode| (inode, Owner::Ours)));
        inodes.iter().all(|inode| owners.contains_key(inode))
    };
    let first = target.service.map(|service| service.pid);
    let is_near = first.is_some_and(|pid| take_ours(&[pid]) || take_ours(&observe_offspring(pid)));
    if is_near || take_ours(&(target.tree)()) {
        return owners;
    }
    let open: Vec<u64> = inodes.iter().copied().filter(|inode| !owners.contains_key(inode)).collect();
    // Ours were all looked at above, so nobody here is in the tree; and one foreign holder is enough. A listing that fails
    // leaves them unknown.
    for (inode, pids) in observe_all_holders(&open).unwrap_or_default() {
        let mut found = pids.into_iter().map(|pid| Owner::of(vec![observe_holder(pid, target)]));
        owners.extend(found.find(|owner| matches!(owner, Owner::Foreign(_))).map(|owner| (inode, owner)));
    }
    owners
}

fn observe_holder(pid: u32, target: &Target<'_>) -> Holder {
    let other = (target.other)(pid);
    let is_older = target.service.is_some_and(|service| {
        observe_identity(pid).ok().flatten().is_some_and(|holder| {
            // Ticks are a hundredth of a second; two that started in the same one cannot be put in order.
            holder.boot_id == service.boot_id && holder.start_ticks < service.start_ticks
        })
    });
    Holder { pid, is_ours: false, other, is_older }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32, is_ours: bool, other: Option<&str>, is_older: bool) -> Holder {
        Holder { pid, is_ours, other: other.map(str::to_owned), is_older }
    }

    #[test]
    fn a_process_is_foreign_if_it_is_older_or_anothers_and_not_in_the_tree() {
        for is_ours in [false, true] {
            for other in [None, Some("db")] {
                for is_older in [false, true] {
                    let expected = !is_ours && (is_older || other.is_some());
                    assert_eq!(
                        holder(1, is_ours, other, is_older).is_foreign(),
                        expected,
                        "{is_ours} {other:?} {is_older}"
                    );
                }
            }
        }
    }

    #[test]
    fn one_holder_of_ours_makes_a_socket_ours_and_else_one_foreign_makes_it_foreign() {
        let ours = || holder(1, true, None, true);
        let foreign = || holder(2, false, None, true);
        let unknown = || holder(3, false, None, false);
        let check = |holders: Vec<Holder>, expected| assert_eq!(Owner::of(holders), expected);
        check(vec![], Owner::Unknown);
        check(vec![unknown()], Owner::Unknown);
        check(vec![foreign()], Owner::Foreign(foreign()));
        check(vec![ours()], Owner::Ours);
        check(vec![unknown(), foreign()], Owner::Foreign(foreign()));
        check(vec![foreign(), ours()], Owner::Ours);
        check(vec![unknown(), foreign(), ours()], Owner::Ours);
    }

    /// The whole table: rows are the listeners that may have answered, columns the accepted socket.
    ///
    /// Letters: `o` ours, `f` foreign, `u` unknown; `T` tree, `?` unverified, `F` foreign, `!` unproven.
    #[test]
    fn every_cell_of_the_table() {
        const COLUMNS: [&str; 4] = ["", "o", "f", "u"];
        const PREFER: [(&str, &str); 8] = [
            ("", "?TF?"),
            ("o", "TTFT"),
            ("f", "FTFF"),
            ("u", "?TF?"),
            ("of", "?TF?"),
            ("ou", "?TF?"),
            ("fu", "?TF?"),
            ("ofu", "?TF?"),
        ];
        const REQUIRE: [(&str, &str); 8] = [
            ("", "!TF!"),
            ("o", "TTFT"),
            ("f", "FFFF"),
            ("u", "!!F!"),
            ("of", "FFFF"),
            ("ou", "!!F!"),
            ("fu", "FFFF"),
            ("ofu", "FFFF"),
        ];
        let owners = |letters: &str| -> Vec<Owner> {
            let owner = |letter| match letter {
                'o' => Owner::Ours,
                'f' => Owner::Foreign(holder(7, false, None, true)),
                _ => Owner::Unknown,
            };
            letters.chars().map(owner).collect()
        };
        let letter = |verdict| match verdict {
            Verdict::Tree => 'T',
            Verdict::Unverified => '?',
            Verdict::Foreign(_) => 'F',
            Verdict::Unproven => '!',
        };
        let off = PREFER.map(|(row, _)| (row, "????"));
        for (policy, table) in
            [(ListenerProof::Prefer, PREFER), (ListenerProof::Require, REQUIRE), (ListenerProof::Off, off)]
        {
            for (row, expected) in table {
                let got: String =
                    COLUMNS.iter().map(|column| letter(decide(policy, &owners(row), owners(column).first()))).collect();
                assert_eq!(got, expected, "{policy:?}, listeners `{row}`, accepted {COLUMNS:?}");
            }
        }
    }
}
