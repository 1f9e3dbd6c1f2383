//! What must never be shown: values of credential-shaped environment keys, and user info in URLs.

use regex::RegexSet;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Hides `user:password@` in every URL of `text`; all else is as it was.
pub fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(['/', '?', '#', '"', '\'', ' ', '\n', '\t', '<', '>']).unwrap_or(tail.len());
        let authority = &tail[..end];
        match authority.rfind('@') {
            Some(sign) => {
                out.push_str(REDACTED);
                out.push_str(&authority[sign..]);
            }
            None => out.push_str(authority),
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// The value to show for the environment key `key`: hidden if the key matches one of `deny`, which holds
/// `envKeyDenyPatterns` compiled without regard to case, else with the user info of URLs hidden.
pub fn env_value(deny: &RegexSet, key: &str, value: &str) -> String {
    if deny.is_match(key) { REDACTED.to_owned() } else { urls(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_of_urls_is_hidden_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(urls(text), expected);
        check("postgres://bob:s3cret@db:5432/x", "postgres://[redacted]@db:5432/x");
        check("a http://u@h/ b http://h2/p@q", "a http://[redacted]@h/ b http://h2/p@q");
        check("no url, a@b, x://", "no url, a@b, x://");
        check("http://a@b@c", "http://[redacted]@c");
    }
}
