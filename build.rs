//! Names the choice between the two backends, so that its condition stands here alone: `cfg(linux_calls)` is set where
//! the calls that only Linux has are used. Elsewhere, or with the feature `portable`, what every Unix has must do
//! (docs/platforms.md). Impure: reads what cargo tells by the environment.

#[expect(clippy::disallowed_methods, reason = "so does cargo speak with a build script")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(linux_calls)");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if is_linux && std::env::var_os("CARGO_FEATURE_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=linux_calls");
    }
}
