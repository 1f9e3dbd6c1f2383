//! `expect_regex` of a command probe: the one place that compiles it, so that what a verdict takes, a probe can run.

use regex::{Regex, RegexBuilder};
use regex_syntax::Parser;

/// Memory that a compiled pattern may take, in bytes: enough for `x{65536}`, and no pattern of 500 characters without a
/// count needs more.
const SIZE_MAX: usize = 32 << 20;

/// Compiles `pattern`. Errors: one line that says why not.
pub fn expect_regex(pattern: &str) -> Result<Regex, String> {
    check_syntax(pattern)?;
    build(pattern)
}

/// Whether [`expect_regex`] takes `pattern`, at a tenth of the cost for a pattern without a count: only a count can make
/// a short pattern outgrow the size limit, so only then it is compiled.
pub fn check_expect_regex(pattern: &str) -> Result<(), String> {
    check_syntax(pattern)?;
    if pattern.contains('{') { build(pattern).map(drop) } else { Ok(()) }
}

fn build(pattern: &str) -> Result<Regex, String> {
    // Syntax is fine here, so that what is left is the size.
    RegexBuilder::new(pattern)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|_| format!("compiled it takes more than {} MiB: use smaller counts", SIZE_MAX >> 20))
}

fn check_syntax(pattern: &str) -> Result<(), String> {
    Parser::new().parse(pattern).map(drop).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_check_takes_can_be_compiled_and_the_rest_cannot() {
        for good in
            ["", "^ready$", "x{0}", "\\#", "x{65536}", "(?i)ok", "\\w{3,5}", &"\\w".repeat(250), &"\\pL".repeat(166)]
        {
            assert_eq!(check_expect_regex(good), Ok(()), "{good}");
            assert!(expect_regex(good).is_ok(), "{good}");
        }
        for bad in ["[b-a]", "(?P<n", "(?< a>x)", "(", "*", "a{2,1}", "(?=x)", "(x)\\1", "((x{1000}){1000}){1000}"] {
            assert!(check_expect_regex(bad).is_err(), "{bad}");
            assert_eq!(expect_regex(bad).err(), check_expect_regex(bad).err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said_in_plain_words() {
        let check = |pattern: &str, words: &str| {
            let why = check_expect_regex(pattern).expect_err("unsupported");
            assert!(why.contains(words) && !why.contains('\n'), "{why}");
        };
        check("(?=x)", "look-around");
        check("(x)\\1", "backreferences are not supported");
    }
}
