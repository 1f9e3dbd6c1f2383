//! Services that are started again by nobody but their shim: it, and its follower, killed at each of their steps; a command that comes
//! at each of the shim's steps. Then `reconcile`, and everything must be true, and who is always started again must be there.

use crate::exhaustive::{expect_peace, staged};
use crate::role::{At, Death, Role};
use crate::script::Act;

/// A service that is always started again, with peace made; then what makes its shim do so.
const STORIES: [(&str, &str); 5] = [
    ("--leave restart=always backoff_s=1", "kill service web\nwait 3s"),
    ("--leave-deaf restart=always backoff_s=0", "kill service web\nwait 3s"),
    ("--crash 1500 --weak 3 restart=always backoff_s=0", "wait 8s"),
    ("--leave restart=always backoff_s=1", "fault disk-full\nkill service web\nwait 3s\nfault none"),
    // Nothing is started as long as that lasts.
    ("restart=always backoff_s=0.3", "fault processes-up\nkill service web\nwait 2s\nfault none\nwait 3s"),
];

/// Who ends it, or starts it anew, while its shim is at it.
const COMMANDS: [&str; 4] = ["stop web", "restart web", "reconcile", "ensure web"];

fn begin(words: &str) -> String {
    format!("declare ripley web --port 3001 {words}\n$ accept ripley --project shop\npeace")
}

/// Plays each story with a death of `who` at each of its steps; how many deaths that were.
fn die_everywhere(who: &Role) -> usize {
    let mut deaths = 0;
    for (words, then) in STORIES {
        for number in 1.. {
            let death = Act::Die(Death { who: who.clone(), at: At::Number(number) }).line();
            let story = format!("{}\n{death}\n{then}", begin(words));
            let mut stage = staged(&story);
            if stage.sim.lock().death.is_some() {
                break;
            }
            expect_peace(&mut stage, &story);
            deaths += 1;
        }
    }
    deaths
}

#[test]
fn a_shim_may_die_at_any_step_of_a_restart() {
    println!("{} deaths of shims", die_everywhere(&Role::Shim("web".into())));
}

#[test]
fn a_follower_may_die_at_any_step() {
    println!("{} deaths of followers", die_everywhere(&Role::Follower("web".into())));
}

/// A shim sleeps while what it has asked to end takes its time, also when the time to live was why.
#[test]
fn a_shim_that_ends_its_tree_sleeps_meanwhile() {
    for then in ["$ stop web", "wait 70s"] {
        let story = format!("declare ripley ttl=1 web --port 3001 --deaf grace_s=30\n$ accept ripley\n{then}\nwait 1m");
        let stage = staged(&story);
        let steps = stage.sim.lock().steps_of_all(&Role::Shim("web".into()));
        assert!(steps < 400, "{steps} steps of the shim\n{story}");
    }
}

/// Whichever of the two is first: a stop stays a stop, and of the others one generation is there.
#[test]
fn a_command_may_come_at_any_step_of_a_restart() {
    let mut comings = 0;
    for (words, _) in STORIES.into_iter().take(2) {
        for command in COMMANDS {
            for steps in (0..160).step_by(3) {
                let story = format!("{}\nkill service web\nsteps {steps}\n$ {command}\nwait 3s", begin(words));
                let mut stage = staged(&story);
                let is_stop = command.starts_with("stop");
                let is_up = || stage.sim.lock().machine.uid_of(|proc| proc.is_service()).is_some();
                assert_eq!(is_up(), !is_stop, "{story}");
                expect_peace(&mut stage, &story);
                comings += 1;
            }
        }
    }
    println!("{comings} commands");
}
