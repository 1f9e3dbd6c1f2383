//! Other people's text in our sentences: one line, no secrets of URLs, nothing that a terminal obeys, and not too long.

use super::redact;

/// `text` made fit for a sentence: user info of URLs hidden, control and invisible characters escaped, blanks at both
/// ends gone, cut after `chars_max` characters with `…`.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    // A cut before the redaction could halve a URL and show its secret; so the whole is redacted, and it is bounded by
    // whoever read it.
    for (at, c) in redact::urls(text.trim()).chars().enumerate() {
        if at == chars_max {
            out.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => out.push(c),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn what_others_say_is_one_safe_short_line() {
        let check = |text: &str, expected: &str| assert_eq!(excerpt(text, 24), expected);
        check("plain 'text' \\ \"q\" é\n", "plain 'text' \\ \"q\" é");
        check("a\u{1b}[31mb\r\nc\0", "a\\u{1b}[31mb\\r\\nc\\0");
        check("right\u{202e}left", "right\\u{202e}left");
        check("at http://u:p@h/", "at http://[redacted]@h/");
        check(&"é".repeat(30), &format!("{}…", "é".repeat(24)));
        check("", "");
    }
}
