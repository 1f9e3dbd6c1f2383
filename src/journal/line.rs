//! A line of the journal: an event's JSON, closed by the checksum of all that stands before it:
//! `{"seq":1,"id":"evt-…",…,"data":{…},"crc":"0a1b2c3d"}`.

use super::crc::crc32;

/// The largest number of an event: the largest that every reader of JSON keeps (RFC 7493, 2.2). What is beyond is none of ours, and
/// no number could follow it.
const SEQ_MAX: u64 = (1 << 53) - 1;
/// What stands between the text that is summed and the sum.
const SUM_OPENING: &str = r#","crc":""#;
/// Hex digits of the sum.
const SUM_DIGITS: usize = 8;
/// What stands after the sum.
const SUM_END: &str = "\"}";

/// The line of an event whose compact JSON is `json`, with its line break.
pub(super) fn framed(json: &str) -> String {
    let open = json.strip_suffix('}').unwrap_or(json);
    format!("{open}{SUM_OPENING}{:08x}{SUM_END}\n", crc32(open.as_bytes()))
}

/// A whole line whose checksum fits, and what is asked of every line; the rest is not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The event's JSON but for its last brace.
    open: &'a str,
    /// The event's number.
    pub seq: u64,
    /// When it happened, in epoch milliseconds.
    pub at: i64,
    /// The word of its type, which another version may have written.
    pub kind: &'a str,
    /// The service's name; empty if it is about none.
    pub service: &'a str,
    /// The project as JSON writes it between its quotes.
    pub project_escaped: &'a str,
}

impl<'a> Line<'a> {
    /// Takes a line without its line break. `None`: it is torn, or not one of ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix(SUM_END)?;
        let (open, sum) = text.split_at_checked(text.len().checked_sub(SUM_DIGITS)?)?;
        let open = open.strip_suffix(SUM_OPENING)?;
        // As it is written, and no other way: the parser of numbers takes a sign and capitals too.
        let is_written_so = sum.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if !is_written_so || u32::from_str_radix(sum, 16).ok()? != crc32(open.as_bytes()) {
            return None;
        }
        Self::of_open(open)
    }

    /// The same for an event's JSON as the state file carries it, which has no checksum of its own.
    pub fn of_json(json: &'a str) -> Option<Self> {
        Self::of_open(json.strip_suffix('}')?)
    }

    fn of_open(open: &'a str) -> Option<Self> {
        let mut rest = Rest(open);
        rest.skip("{\"seq\":")?;
        let seq = rest.digits()?.parse().ok().filter(|seq| (1..=SEQ_MAX).contains(seq))?;
        rest.skip(",\"id\":\"")?;
        rest.string()?;
        rest.skip(",\"at\":")?;
        let at = rest.digits()?.parse().ok()?;
        rest.skip(",\"type\":\"")?;
        let kind = rest.string()?;
        rest.skip(",\"service\":\"")?;
        let service = rest.string()?;
        rest.skip(",\"project\":\"")?;
        let project_escaped = rest.string()?;
        Some(Self { open, seq, at, kind, service, project_escaped })
    }

    /// Whether it came from the acceptance of that id. No text in it can look so: quotes in strings are escaped.
    pub fn is_of_run(&self, run_id: &str) -> bool {
        let mut found = self.open.match_indices("\"run_id\":\"");
        found
            .any(|(at, key)| self.open[at + key.len()..].strip_prefix(run_id).is_some_and(|rest| rest.starts_with('"')))
    }

    /// The event's compact JSON.
    pub fn json(&self) -> String {
        [self.open, "}"].concat()
    }
}

/// The number of the event whose line begins with `bytes`, unchecked: to find a place by.
pub(super) fn seq_of(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_prefix(b"{\"seq\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// What is still to be read of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    fn digits(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c: char| !c.is_ascii_digit() && c != '-')?;
        self.take(end)
    }

    /// The rest of a string, escapes as they are, and its closing quote is skipped.
    fn string(&mut self) -> Option<&'a str> {
        let mut end = self.0.find(['"', '\\'])?;
        while self.0.as_bytes()[end] == b'\\' {
            // What is escaped is one byte, or none of its bytes is a quote.
            let from = self.0.get(end + 2..)?;
            end += 2 + from.find(['"', '\\'])?;
        }
        let string = self.take(end)?;
        self.skip("\"")?;
        Some(string)
    }

    fn take(&mut self, end: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;
    use crate::service::{Draft, EventType, event_to_text};

    #[test]
    fn numbers_that_none_can_follow_and_sums_in_another_spelling_are_none_of_ours() {
        let read = |seq: u64| {
            let json = event_to_text(&Draft::new(EventType::Fatal, EpochMs(1)).numbered(seq, "evt-1".into()));
            Line::parse(framed(&json).trim_end().as_bytes()).map(|line| line.seq)
        };
        assert_eq!([0, 1, SEQ_MAX, SEQ_MAX + 1, u64::MAX].map(read), [None, Some(1), Some(SEQ_MAX), None, None]);
        let with_letters = (1..99).find_map(|seq| {
            let line = framed(&text(&seq.to_string()));
            let (open, sum) = line.trim_end().split_at(line.len() - 1 - SUM_DIGITS - SUM_END.len());
            sum.contains(['a', 'b', 'c', 'd', 'e', 'f']).then(|| [open, &sum.to_uppercase()].concat())
        });
        assert_eq!(Line::parse(with_letters.expect("most sums have a letter").as_bytes()), None);
    }

    fn text(project: &str) -> String {
        let draft = Draft {
            service: "web".into(),
            project: project.into(),
            ..Draft::new(EventType::ServiceRunning, EpochMs(-5)).with("why", "a \"quoted\" }\u{1f980}")
        };
        event_to_text(&draft.numbered(7, "evt-1".into()))
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_byte_of_it_can_be_another() {
        for project in ["shop", "", "a\"b\\", "\\", "日本\n"] {
            let (json, framed) = (text(project), framed(&text(project)));
            let bytes = framed.strip_suffix('\n').unwrap().as_bytes();
            let line = Line::parse(bytes).unwrap();
            assert_eq!((line.seq, line.at, line.kind, line.service), (7, -5, "service.running", "web"));
            assert_eq!(format!("\"{}\"", line.project_escaped), serde_json::to_string(project).unwrap());
            assert_eq!(line.json(), json);
            assert_eq!(Line::of_json(&json), Some(line));
            assert_eq!(seq_of(bytes), Some(7));
            for at in 0..bytes.len() {
                assert_eq!(Line::parse(&bytes[..at]), None, "cut at {at}");
                let mut other = bytes.to_vec();
                other[at] ^= 1;
                assert_eq!(Line::parse(&other), None, "another byte at {at}");
            }
        }
    }
}
