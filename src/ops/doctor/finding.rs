//! What a check found: plain data.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing need be done.
    Note,
    /// Something works worse than it could, or will not work later.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Note, Self::Warning, Self::Error];

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The root folder: where it is, whose, who may do what.
    Root,
    /// Its file system.
    Space,
    /// The lock of the state file.
    Lock,
    /// The state file.
    State,
    /// Its records beside what is seen of their processes.
    Records,
    /// The journal.
    Journal,
    /// Deliveries of its events.
    Outbox,
    /// What a timer should have done.
    Upkeep,
    /// The settings.
    Settings,
    /// Programs on the PATH, and on that of cron.
    Path,
    /// The wall clock.
    Clock,
    /// What the system lets us do.
    System,
}

impl Area {
    /// Every area, in the order of a report.
    pub const ALL: [Self; 12] = [
        Self::Root,
        Self::Space,
        Self::Lock,
        Self::State,
        Self::Records,
        Self::Journal,
        Self::Outbox,
        Self::Upkeep,
        Self::Settings,
        Self::Path,
        Self::Clock,
        Self::System,
    ];

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Space => "space",
            Self::Lock => "lock",
            Self::State => "state",
            Self::Records => "records",
            Self::Journal => "journal",
            Self::Outbox => "outbox",
            Self::Upkeep => "upkeep",
            Self::Settings => "settings",
            Self::Path => "path",
            Self::Clock => "clock",
            Self::System => "system",
        }
    }

    pub(super) fn ok(self, code: &'static str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Ok, code, message)
    }

    pub(super) fn note(self, code: &'static str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Note, code, message)
    }

    pub(super) fn warning(self, code: &'static str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, code, message)
    }

    pub(super) fn error(self, code: &'static str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, code, message)
    }

    fn finding(self, severity: Severity, code: &'static str, message: impl Into<String>) -> Finding {
        Finding { area: self, severity, code, message: message.into(), place: None, hint: None }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub area: Area,
    /// How much it matters.
    pub severity: Severity,
    /// Stable, kebab-case: `record-dead`.
    pub code: &'static str,
    /// One sentence: what is so.
    pub message: String,
    /// The file or folder that it is about.
    pub place: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    #[must_use]
    pub(super) fn at(self, path: &std::path::Path) -> Self {
        Self { place: Some(path.display().to_string()), ..self }
    }

    #[must_use]
    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// So many names are told; of the others how many they are.
const NAMES_MAX: usize = 5;

/// `` `a`, `b` and 3 more ``.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let told: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{}`", name.as_ref())).collect();
    let told = told.join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

/// `1 entry`, `2 entries`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `512 B`, `3.4 MiB`.
pub(super) fn sized(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, so that no figure is made of floats.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_some_are_told_and_the_others_counted() {
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g"]), "`a`, `b`, `c`, `d`, `e` and 2 more");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(0, "entry", "entries"), "0 entries");
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (5_368_709_120, "5.0 GiB"),
            (u64::MAX, "1638.3 PiB"),
        ] {
            assert_eq!(sized(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn every_area_has_a_word_of_its_own() {
        let mut words = Area::ALL.map(Area::word).to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Area::ALL.len());
    }
}
