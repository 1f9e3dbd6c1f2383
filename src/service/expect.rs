//! `expect_regex` of a command probe: the one place that compiles it, so that what a verdict takes, a probe can run.
//!
//! The syntax is the regex crate's, but a brace that starts no count stands for itself, as in JavaScript and Perl:
//! probes match JSON, and `{"ok":true}` must mean what it says.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast;
use regex_syntax::hir::translate::Translator;

/// Memory that a compiled pattern may take, in bytes: enough for `x{65536}`, and no pattern of 500 characters without a
/// count needs more.
const SIZE_MAX: usize = 32 << 20;

/// Compiles `pattern`. Errors: one line that says why not.
pub fn expect_regex(pattern: &str) -> Result<Regex, String> {
    let pattern = plain_braces(pattern);
    check_syntax(&pattern)?;
    build(&pattern)
}

/// Whether [`expect_regex`] takes `pattern`, at a tenth of the cost for a pattern without a count: only a count can make
/// a short pattern outgrow the size limit, so only then it is compiled.
pub fn check_expect_regex(pattern: &str) -> Result<(), String> {
    let pattern = plain_braces(pattern);
    check_syntax(&pattern)?;
    if pattern.contains('{') { build(&pattern).map(drop) } else { Ok(()) }
}

fn build(pattern: &str) -> Result<Regex, String> {
    // Syntax is fine here, so that what is left is the size.
    RegexBuilder::new(pattern)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|_| format!("compiled it takes more than {} MiB: use smaller counts", SIZE_MAX >> 20))
}

fn check_syntax(pattern: &str) -> Result<(), String> {
    let ast = ast::parse::Parser::new().parse(pattern).map_err(|error| error.kind().to_string())?;
    // Only flags and named classes have a meaning that can be wrong where the syntax is right.
    if !["(?", "\\p", "\\P"].iter().any(|part| pattern.contains(part)) {
        return Ok(());
    }
    Translator::new().translate(pattern, &ast).map(drop).map_err(|error| error.kind().to_string())
}

/// `pattern` with every opening brace escaped that starts neither a count nor the name in an escape such as `\p{Greek}`.
/// In a character class braces stand for themselves anyway, and an escaped one means the same.
fn plain_braces(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains('{') {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\\' => escape_bytes(rest),
            _ => c.len_utf8(),
        };
        if c == '{' && !is_count(rest) {
            out.push('\\');
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// How long the escape at the start of `text` is, a braced name after `p`, `P`, `x`, `u`, `U` or `b` included.
fn escape_bytes(text: &str) -> usize {
    let Some(letter) = text.chars().nth(1) else { return 1 };
    let plain = 1 + letter.len_utf8();
    let braced = matches!(letter, 'p' | 'P' | 'x' | 'u' | 'U' | 'b') && text[plain..].starts_with('{');
    if braced { text.find('}').map_or(plain, |end| end + 1) } else { plain }
}

/// Whether `text` starts with `{n}`, `{n,}` or `{n,m}`.
fn is_count(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner) else {
        return false;
    };
    let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !from.is_empty() && digits(from) && digits(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_check_takes_can_be_compiled_and_the_rest_cannot() {
        let (words, letters) = ("\\w".repeat(250), "\\pL".repeat(166));
        for good in ["", "^ready$", "x{0}", "\\#", "x{65536}", "(?i)ok", "\\w{3,5}", "x{", "{", &words, &letters] {
            assert_eq!(check_expect_regex(good), Ok(()), "{good}");
            assert!(expect_regex(good).is_ok(), "{good}");
        }
        let bad = [
            "[b-a]",
            "(?P<n",
            "(?< a>x)",
            "(",
            "*",
            "a{2,1}",
            "(?=x)",
            "(x)\\1",
            "((x{1000}){1000}){1000}",
            "\\",
            "\\p{",
        ];
        for bad in bad {
            assert!(check_expect_regex(bad).is_err(), "{bad}");
            assert_eq!(expect_regex(bad).err(), check_expect_regex(bad).err(), "{bad}");
        }
    }

    #[test]
    fn braces_that_count_nothing_stand_for_themselves() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(expect_regex(pattern).unwrap().is_match(text), expected, "{pattern} on {text}");
        };
        check("{\"ok\": ?true}", "{\"ok\":true}", true);
        check("^a{2}$", "aa", true);
        check("^a{2,}$", "aaa", true);
        check("^a{,2}$", "a{,2}", true);
        check("^a{b}$", "a{b}", true);
        check("^\\{1}$", "{}", false);
        check("^[{]{2}$", "{{", true);
        check("^\\p{Greek}+$", "αβ", true);
        check("^\\x{41}$", "A", true);
        check("^日{2}{x$", "日日{x", true);
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
