//! Long walks: stories that are made up by seed (`stories.rs`) are played until peace is made and everything must be true. One that
//! fails is shrunk and printed, and can be played again.

use std::time::Instant;

use crate::check;
use crate::script::Act;
use crate::sim::Manner;
use crate::stage::Stage;
use crate::stories;

/// Steps that the walks of every test run make together (docs/testing.md).
const STEPS: u64 = 1_000_000;
/// Where the seeds of every test run begin, one for each half of the steps, which two processors walk side by side.
const SEEDS: [u64; 2] = [1, 1_000_001];
/// Tries at making a failing story shorter.
const SHRINKS_MAX: usize = 600;

/// An act with the number by which turns are given from then on, which stays with it when others are left out.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    number: u64,
    act: Act,
}

/// What came of a story.
pub(crate) struct Played {
    pub(crate) complaints: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) turns: u64,
    /// What the journal and the state file say in the end.
    said: String,
}

/// Plays a story from the beginning until something is wrong.
pub(crate) fn play(lines: &[Line], mut watch: impl FnMut(&Line, &str)) -> Played {
    let mut stage = Stage::new(0, Manner::Fair);
    for line in lines {
        stage.sim.lock().draw(line.number);
        let shown = stage.perform(&line.act);
        watch(line, &shown);
        if !stage.complaints.is_empty() {
            break;
        }
    }
    let inner = stage.sim.lock();
    let (steps, turns) = (inner.steps, inner.turns);
    drop(inner);
    let said = format!("{}\n{}", stage.journal(), check::shown(&stage.sim));
    Played { complaints: std::mem::take(&mut stage.complaints), steps, turns, said }
}

/// Makes up a story.
pub(crate) fn story(seed: u64) -> Vec<Line> {
    let numbered = |(at, act)| Line { number: seed.wrapping_mul(1000) + at as u64, act };
    stories::acts(seed).into_iter().enumerate().map(numbered).collect()
}

/// The shortest story that still fails: parts are left out, larger ones first, as long as that goes.
fn shrink(lines: Vec<Line>) -> Vec<Line> {
    let mut lines = lines;
    let mut size = lines.len() / 2;
    let mut tries = 0;
    while size > 0 && tries < SHRINKS_MAX {
        let before = lines.len();
        let mut at = 0;
        while at < lines.len() && tries < SHRINKS_MAX {
            let end = (at + size).min(lines.len());
            let shorter: Vec<Line> = lines[..at].iter().chain(&lines[end..]).cloned().collect();
            tries += 1;
            if play(&shorter, |_, _| ()).complaints.is_empty() {
                at = end;
            } else {
                lines = shorter;
            }
        }
        // What could not be left out before may be by now.
        if size > 1 || lines.len() == before {
            size /= 2;
        }
    }
    lines
}

/// Plays the story of `seed`; a failure is shrunk, and told with how to play it again.
fn walk(seed: u64) -> Played {
    let lines = story(seed);
    let played = play(&lines, |_, _| ());
    if played.complaints.is_empty() {
        return played;
    }
    let shortest = shrink(lines);
    let mut told = Vec::new();
    let last = play(&shortest, |line, shown| told.push(format!("{}: {}\n{shown}", line.number, line.act.line())));
    let told = told.concat();
    let script: Vec<String> = shortest.iter().map(|line| format!("{}: {}", line.number, line.act.line())).collect();
    panic!(
        "the story of seed {seed} ends badly: {:#?}\n\nas played, shortest form:\n{told}\n\nonce more: `just sim {seed} 1`; the shortest \
         form, for a file in tests/sim/scenarios:\n{}\n\nwhat is wrong then: {:#?}\n\nthe journal and the state then:\n{}",
        played.complaints,
        script.join("\n"),
        last.complaints,
        last.said,
    );
}

/// Walks from `seed` on until so many steps are made.
fn walk_on(seed: u64, steps: u64) -> String {
    let began = Instant::now();
    let (mut done, mut turns, mut stories, mut longest) = (0, 0, 0, (0, 0));
    while done < steps {
        let played = walk(seed + stories);
        done += played.steps;
        longest = longest.max((played.steps, seed + stories));
        turns += played.turns;
        stories += 1;
    }
    let took = began.elapsed();
    let (most, which) = longest;
    format!(
        "{stories} stories from seed {seed}: {done} steps ({most} of them by seed {which}), {turns} turns given to another, {took:.1?}"
    )
}

#[test]
fn a_million_steps_of_walks_end_in_peace_first_half() {
    println!("{}", walk_on(SEEDS[0], STEPS / 2));
}

#[test]
fn a_million_steps_of_walks_end_in_peace_second_half() {
    println!("{}", walk_on(SEEDS[1], STEPS / 2));
}

#[test]
#[ignore = "walks as long as SIM_STEPS says, from SIM_SEED: `just sim SEED STEPS`"]
fn walks_by_seed() {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse().ok());
    println!("{}", walk_on(number("SIM_SEED").unwrap_or(SEEDS[0]), number("SIM_STEPS").unwrap_or(STEPS)));
}
