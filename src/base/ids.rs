//! Names that become parts of paths, and identifiers that we make. Parsed once, then trusted.

use std::fmt;

use super::clock::EpochMs;
use super::error::{Error, Kind};

/// An agent's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, so that no path can be climbed with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

impl AgentName {
    /// Takes a well-formed name; anything else is a usage error (exit 64).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut chars = text.chars();
        let head = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
        let tail = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if head && tail && text.len() <= 128 {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(140).collect();
        Err(Error::new(Kind::Usage, "agent-name-invalid", format!("`{}` is no agent's name", shown.escape_debug()))
            .with_hint("a name is a letter or digit, then up to 127 letters, digits, dots, underscores or hyphens"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So many hex digits of an identifier are its time.
const TIME_DIGITS: usize = 12;

/// One life of a service, from spawn to exit: `g` and 24 hex digits, the first 12 of them the time of its making in
/// milliseconds, so that names sort by age. The last 12 are chance, and the same in all lives that one shim gives its
/// service: those are kin. Also the value of `MINIONS_MANAGED_GENERATION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(String);

impl Generation {
    /// A new generation, unlike any other.
    pub fn new(now: EpochMs) -> Self {
        Self(format!("g{}", unique_hex(now)))
    }

    /// The life after this one by the same shim: its kin, and younger, whatever the clock says.
    #[must_use]
    pub fn successor(&self, now: EpochMs) -> Self {
        let (at, kin) = self.0[1..].split_at(TIME_DIGITS);
        let own = i64::from_str_radix(at, 16).unwrap_or(0);
        Self(format!("g{:012x}{kin}", now.0.max(own.saturating_add(1))))
    }

    /// Whether both are lives by the same shim. Every generation is its own kin.
    pub fn is_kin(&self, other: &Self) -> bool {
        self.kin() == other.kin()
    }

    /// What all lives by one shim have in common; among the generations of one name it means that shim.
    pub fn kin(&self) -> &str {
        &self.0[1 + TIME_DIGITS..]
    }

    /// Reads a generation from a file or a process's environment; `None` if it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('g')?;
        let good = digits.len() == 24 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }

    /// The generation as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one acceptance: `run-` and 24 hex digits that sort by time.
pub fn new_run_id(now: EpochMs) -> String {
    format!("run-{}", unique_hex(now))
}

/// The id of one event: `evt-` and 24 hex digits that sort by time.
pub fn new_event_id(now: EpochMs) -> String {
    format!("evt-{}", unique_hex(now))
}

/// The id of this very process.
pub fn own_pid() -> u32 {
    #[cfg(debug_assertions)]
    if let Some(world) = super::world::here() {
        return world.own_pid();
    }
    std::process::id()
}

/// Fills `bytes`, a few, with the kernel's randomness. On Linux only a kernel without getrandom (before 3.17) has none.
pub fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    #[cfg(debug_assertions)]
    if let Some(world) = super::world::here() {
        world.fill_random(bytes);
        return Ok(());
    }
    fill_by_kernel(bytes)
}

#[cfg(linux_calls)]
fn fill_by_kernel(bytes: &mut [u8]) -> std::io::Result<()> {
    Ok(rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty()).map(drop)?)
}

/// Where it is asked by its device.
#[cfg(not(linux_calls))]
fn fill_by_kernel(bytes: &mut [u8]) -> std::io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let device = open("/dev/urandom", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let count = rustix::io::read(&device, &mut *bytes)?;
    // So few it gives at once (random(4)).
    if count == bytes.len() { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

/// 12 hex digits of time in milliseconds (enough until the year 10889) and 12 of the kernel's randomness.
fn unique_hex(now: EpochMs) -> String {
    let mut random = [0_u8; 8];
    // Without randomness the process id tells makers apart.
    if fill_random(&mut random[2..]).is_err() {
        random[4..].copy_from_slice(&own_pid().to_be_bytes());
    }
    format!("{:012x}{:012x}", now.0, u64::from_be_bytes(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_names_cannot_climb_a_path() {
        let check = |text: &str, good: bool| assert_eq!(AgentName::parse(text).is_ok(), good, "{text:?}");
        for good in ["a", "ripley", "A-1_x.y", &"a".repeat(128)] {
            check(good, true);
        }
        for bad in ["", ".", "..", "-a", ".a", "a/b", "a b", "a\n", "é", "a\0", &"a".repeat(129)] {
            check(bad, false);
        }
    }

    #[test]
    fn generations_sort_by_age_and_read_back() {
        let old = Generation::new(EpochMs(1));
        let new = Generation::new(EpochMs(2));
        assert!(old < new);
        assert_eq!(Generation::parse(new.as_str()), Some(new));
        assert_eq!(Generation::parse("g../../x"), None);
    }

    #[test]
    fn lives_by_one_shim_are_kin_and_sort_by_age_whatever_the_clock_says() {
        let first = Generation::new(EpochMs(1_000));
        let check = |now: i64, older: &Generation, at: i64| {
            let next = older.successor(EpochMs(now));
            assert!(*older < next && next.is_kin(older) && next.is_kin(&first), "{older} {next}");
            assert_eq!(next.as_str()[1..13], format!("{at:012x}"));
            assert_eq!(Generation::parse(next.as_str()).as_ref(), Some(&next));
            next
        };
        let second = check(2_000, &first, 2_000);
        let third = check(2_000, &second, 2_001);
        check(500, &third, 2_002);
        assert!(!first.is_kin(&Generation::new(EpochMs(1_000))));
    }
}
