# What one does here. `just` lists the recipes; https://just.systems

[private]
default:
    @just --list

# Types and lints, the fast answer
check:
    cargo clippy --all-targets -- -D warnings

# Every test, or those whose names hold a word
test *words:
    cargo test {{ words }}

# Every test on the portable backend: what other systems than Linux get (docs/platforms.md)
portable *words:
    cargo clippy --features portable --all-targets -- -D warnings
    cargo test --features portable {{ words }}

# Format, and mend what can be mended by itself; write generated docs and schemas anew
fix:
    cargo clippy --fix --allow-dirty --allow-staged --all-targets
    cargo fmt
    UPDATE=1 cargo test --test generated

# What must pass before anything lands
ci:
    .ci/run

# The guided tour with a real service
demo:
    cargo run --release -- managed demo

# The API's pages, opened
docs:
    cargo doc --no-deps --open

# What commands cost, how fast sidecars are judged and the state file is read and written
bench:
    cargo bench

# Property tests with many more cases than usual
fuzz-properties cases="20000":
    PROPTEST_CASES={{ cases }} cargo test --release

# Coverage-guided fuzzing of a reader (sidecar, state, settings, journal or outbox), or of all in turn; needs cargo-fuzz
fuzz target="sidecar state settings journal outbox" seconds="600":
    for target in {{ target }}; do \
        cargo fuzz run -s none "$target" -- -dict="fuzz/$target.dict" -max_len=8192 -timeout=10 -max_total_time={{ seconds }} || exit 1; \
    done

# The recipes of docs/scheduling.md with a real cron and a real user manager; needs root, cron and systemd
try-scheduling: release
    contrib/try-scheduling.sh cron target/release/minions
    contrib/try-scheduling.sh systemd target/release/minions

# Walks in the simulated world from a seed, for so many steps; a seed that failed, with 1 step, plays its story once more (docs/testing.md)
sim seed="$(date +%s)" steps="20000000":
    SIM_SEED={{ seed }} SIM_STEPS={{ steps }} cargo test --test sim walks_by_seed -- --ignored --nocapture

# The long tests, which `test` leaves out
soak:
    cargo test --release -- --ignored

# The program as it is given away, in target/release/minions
release:
    cargo build --release --locked
