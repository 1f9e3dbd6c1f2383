//! Rounds in which several jobs are run in turn, and what is made of their times.

use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds before those that count: caches fill.
const WARM_UP: usize = 3;

/// Runs `jobs` jobs `rounds` times, each round in another order. Returns what each gave, job by job, in order of rounds.
pub(crate) fn interleaved<T>(jobs: usize, rounds: usize, mut run: impl FnMut(usize) -> T) -> Vec<Vec<T>> {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let mut results: Vec<Vec<T>> = (0..jobs).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..WARM_UP + rounds {
        let mut order: Vec<usize> = (0..jobs).collect();
        for last in (1..jobs).rev() {
            order.swap(last, random.below(last + 1));
        }
        for job in order {
            let result = run(job);
            if round >= WARM_UP {
                results[job].push(result);
            }
        }
    }
    results
}

/// How long `command` takes from before its spawn to after its end, in milliseconds. Its output goes nowhere; it must
/// succeed.
pub(crate) fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().unwrap();
    let took = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took.as_secs_f64() * 1000.0
}

/// The one in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median of the ratios of single rounds: what slowed both down does not count.
pub(crate) fn median_ratio(values: &[f64], least: &[f64]) -> f64 {
    median(&values.iter().zip(least).map(|(value, least)| value / least).collect::<Vec<_>>())
}

/// Marsaglia's generator with the shifts 13, 7, 17: the same orders in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
