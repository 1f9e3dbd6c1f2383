//! Every command on small states, killed at each of its steps; each recovery after a death at a named step, killed at each of its
//! named steps too; every shim killed at each of its steps. Then `reconcile`, and everything must be true.

use minions_managed::base::steps::Step;

use crate::role::{At, Death, Role};
use crate::script::Act;
use crate::sim::Manner;
use crate::stage::Stage;

/// A command and the state that it is called in.
struct Case {
    /// Acts, one per line.
    begin: &'static str,
    command: &'static str,
}

const NONE: &str = "declare ripley web --port 3001 --leave";
/// With peace made, so that its loss would be a fault.
const UP: &str = "declare ripley web --port 3001 --leave\n$ accept ripley --project shop\npeace";
const OTHER: &str =
    "declare ripley web --port 3001 --leave\n$ accept ripley --project shop\ndeclare ripley web --port 3001 --deaf";
const DEAD: &str = "declare ripley web --port 3001 --leave\n$ accept ripley --project shop\nkill service web\nwait 2s";
const ALONE: &str = "declare ripley web --port 3001 --leave-deaf\n$ accept ripley --project shop\nkill shim web";
const OVER: &str = "declare ripley ttl=1 web --port 3001\n$ accept ripley --project shop\nkill shim web\nwait 2m";
const ABANDONED: &str =
    "declare ripley web --port 3001 --leave\ndie command at start.started\n$ accept ripley --project shop";

const KEPT: &str =
    "declare ripley web --port 3001 --leave restart=always backoff_s=60\n$ accept ripley --project shop\npeace";
const WAITING: &str = "declare ripley web --port 3001 --leave restart=always backoff_s=60\n$ accept ripley --project shop\n\
                       peace\nkill service web\nwait 200ms";
/// Its shim is gone, and its next start is due.
const LEFT: &str = "declare ripley web --port 3001 --leave restart=always backoff_s=60\n$ accept ripley --project shop\npeace\n\
                    kill service web\nwait 200ms\nkill shim web\nwait 61s";
const CALM: &str =
    "declare ripley web --port 3001 --leave activation=on-demand idle_stop_s=60\n$ accept ripley --project shop\npeace";
const IDLE: &str = "declare ripley web --port 3001 --leave activation=on-demand idle_stop_s=60\n\
                    $ accept ripley --project shop\n$ ensure web\nwait 80s";
const UPDATED: &str = "declare ripley web --port 3001 --leave restart=always on_update=true\n$ accept ripley --project shop\n\
                       peace\n$ updated\nwait 80s";
const SICK: &str = "declare ripley web --port 3001 --leave --sick 9000 restart=always failure_threshold=1 on_unhealthy=restart\n\
                    $ accept ripley --project shop\npeace\nwait 3s";

const CASES: [Case; 27] = [
    Case { begin: NONE, command: "accept ripley --project shop" },
    Case { begin: OTHER, command: "accept ripley --project shop" },
    Case { begin: ABANDONED, command: "accept ripley --project shop" },
    Case { begin: UP, command: "stop web" },
    Case { begin: ALONE, command: "stop web" },
    Case { begin: UP, command: "restart web" },
    Case { begin: DEAD, command: "restart web" },
    Case { begin: UP, command: "renew web --ttl 90" },
    Case { begin: DEAD, command: "sweep" },
    Case { begin: OVER, command: "sweep" },
    Case { begin: ALONE, command: "sweep" },
    Case { begin: ABANDONED, command: "reconcile" },
    Case { begin: UP, command: "reconcile" },
    Case { begin: UP, command: "remove-project shop" },
    Case { begin: UP, command: "release WORK" },
    Case { begin: NONE, command: "accept ripley --project shop --no-wait" },
    Case { begin: KEPT, command: "stop web" },
    Case { begin: KEPT, command: "restart web" },
    Case { begin: WAITING, command: "stop web" },
    Case { begin: WAITING, command: "restart web" },
    Case { begin: WAITING, command: "ensure web" },
    Case { begin: LEFT, command: "sweep" },
    Case { begin: LEFT, command: "stop web" },
    Case { begin: CALM, command: "ensure web" },
    Case { begin: IDLE, command: "sweep" },
    Case { begin: UPDATED, command: "sweep" },
    Case { begin: SICK, command: "healthcheck" },
];

/// A stage on which `acts`, one per line, have been performed.
pub(crate) fn staged(acts: &str) -> Stage {
    let mut stage = Stage::new(1, Manner::InOrder);
    perform(&mut stage, acts);
    stage
}

fn perform(stage: &mut Stage, acts: &str) {
    for line in acts.lines() {
        stage.perform(&Act::parse(line).expect("an act"));
    }
}

/// Fails with the whole story if anything is wrong on `stage`.
pub(crate) fn expect_peace(stage: &mut Stage, story: &str) {
    perform(stage, "peace");
    assert!(stage.complaints.is_empty(), "{story}\npeace\n\n{:#?}", stage.complaints);
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

/// So many steps the command makes, and the named ones among them.
fn steps(case: &Case) -> (u64, Vec<Step>) {
    let mut stage = staged(case.begin);
    let uid = stage.begin(&words(case.command));
    stage.finish(uid);
    (stage.sim.steps_of(uid), stage.sim.named_steps_of(uid))
}

/// Plays `case` with a death in it.
fn play(case: &Case, death: &str, more: &str) -> (Stage, String) {
    let story = format!("{}\n{death}\n$ {}{more}", case.begin, case.command);
    (staged(&story), story)
}

/// Both halves of the cases, so that two threads can take them.
fn cases(half: usize) -> impl Iterator<Item = &'static Case> {
    CASES.iter().skip(half).step_by(2)
}

fn die_everywhere(half: usize) -> usize {
    let mut deaths = 0;
    for case in cases(half) {
        let (count, _) = steps(case);
        for number in 1..=count {
            let (mut stage, story) = play(case, &format!("die command at {number}"), "");
            expect_peace(&mut stage, &story);
            deaths += 1;
        }
    }
    deaths
}

#[test]
fn a_command_may_die_at_any_of_its_steps_first_half() {
    println!("{} deaths of commands", die_everywhere(0));
}

#[test]
fn a_command_may_die_at_any_of_its_steps_second_half() {
    println!("{} deaths of commands", die_everywhere(1));
}

/// Whoever puts right what a dead command left may die of it too.
#[test]
fn who_recovers_may_die_at_any_named_step() {
    let mut deaths = 0;
    for case in &CASES {
        for (at, first) in steps(case).1.into_iter().enumerate() {
            let healer = if at % 2 == 0 { "reconcile" } else { case.command };
            let death = format!("die command at {}", first.word());
            let (mut stage, _) = play(case, &death, "");
            let uid = stage.begin(&words(healer));
            stage.finish(uid);
            for second in stage.sim.named_steps_of(uid) {
                let more = format!("\ndie command at {}\n$ {healer}", second.word());
                let (mut stage, story) = play(case, &death, &more);
                expect_peace(&mut stage, &story);
                deaths += 1;
            }
        }
    }
    println!("{deaths} pairs of deaths");
}

#[test]
fn a_shim_may_die_at_any_of_its_steps() {
    let mut deaths = 0;
    for case in &CASES {
        for number in 1.. {
            let death = Death { who: Role::Shim("web".into()), at: At::Number(number) };
            let (mut stage, story) = play(case, &Act::Die(death).line(), "");
            if stage.sim.lock().death.is_some() {
                break;
            }
            expect_peace(&mut stage, &story);
            deaths += 1;
        }
    }
    println!("{deaths} deaths of shims");
}
