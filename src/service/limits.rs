//! The limits of a spec that no setting moves (contract section 3): the rules judge by them, and the hint tells them.

/// Lowest port that a service may declare.
pub const PORT_MIN: u16 = 1024;
/// Highest port that a service may declare.
pub const PORT_MAX: u16 = 65535;
/// Most ports of one service.
pub const PORTS_MAX: usize = 20;
/// Longest command, in characters.
pub const CMD_CHARS_MAX: u64 = 200;
/// Longest argument, in characters.
pub const ARG_CHARS_MAX: u64 = 500;
/// Longest working folder, in characters.
pub const CWD_CHARS_MAX: u64 = 500;
/// Longest value of an environment variable, in characters.
pub const ENV_VALUE_CHARS_MAX: u64 = 1000;
/// Shortest time to live, in minutes.
pub const TTL_MINUTES_MIN: u64 = 1;
/// Longest wait for the first pass, in seconds.
pub const HEALTH_TIMEOUT_MAX_S: f64 = 3600.0;
/// Longest pause between two probes, in seconds.
pub const HEALTH_INTERVAL_MAX_S: f64 = 600.0;
/// Lowest status that a http probe may expect.
pub const STATUS_MIN: u16 = 100;
/// Highest status that a http probe may expect.
pub const STATUS_MAX: u16 = 599;
/// Longest command line of a command probe, in characters.
pub const PROBE_CMD_CHARS_MAX: u64 = 1000;
/// Longest pattern of a command probe, in characters.
pub const EXPECT_REGEX_CHARS_MAX: u64 = 500;
/// Most services that one may depend on.
pub const DEPENDS_ON_MAX: usize = 20;
/// Most waits of a restart policy; from the last one on all are the same.
pub const BACKOFF_MAX: usize = 20;
/// Longest wait between two starts, in seconds.
pub const BACKOFF_MAX_S: f64 = 3600.0;
/// Longest time that the lifecycle of a service may name, in seconds: a day, as long as services live at most by default.
pub const LIFECYCLE_MAX_S: f64 = 86_400.0;
/// Most automatic starts that a policy may allow within its window: each stands in the state file until it is over.
pub const RESTARTS_MAX: u16 = 100;
/// Most exit codes that a policy may call no failure.
pub const SUCCESS_EXIT_CODES_MAX: usize = 20;
/// Highest exit code: the eight bits that a parent sees (wait(2)).
pub const EXIT_CODE_MAX: u16 = 255;
/// Longest grace period of a service's own, in seconds: who stops it waits for so long.
pub const GRACE_MAX_S: f64 = 600.0;
/// Most failures in a row until a service counts as unhealthy.
pub const FAILURE_THRESHOLD_MAX: u16 = 100;
