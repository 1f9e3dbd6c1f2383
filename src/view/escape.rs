//! Other people's text made safe for a terminal: names, attrs and log lines are written by agents.

use std::borrow::Cow;

/// `text` on one line, with every character that could move the cursor, change the terminal or reorder what is read
/// shown as an escape (`\n`, `\u{1b}`).
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// `text` line by line, each made safe and moved in by three blanks.
pub fn indented(text: &str) -> String {
    text.lines().fold(String::with_capacity(text.len() + 64), |mut block, one| {
        block.push_str("   ");
        block.push_str(&line(one));
        block.push('\n');
        block
    })
}

/// Control characters, and the invisible ones that reorder or hide text (Unicode TR 36: bidirectional overrides and
/// isolates, zero-width characters, line and paragraph separators).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Takes terminal escapes out of a stream of log bytes, but for colours (`ESC [ … m`), tabs and line ends. It keeps
/// what a piece of the stream leaves open, so pieces may be cut anywhere.
#[derive(Debug, Default)]
pub struct Filter {
    state: State,
}

/// Where in an escape sequence the stream stands (ECMA-48, section 5).
#[derive(Debug, Default)]
enum State {
    /// In plain text.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In a control sequence: its parameters so far.
    Control(Vec<u8>),
    /// In a string command (OSC, DCS, …), which ends with BEL or ESC \.
    Command,
    /// In a string command, after ESC.
    CommandEscape,
}

/// Longest parameter of a colour that is let through; a real one is shorter.
const PARAMETER_BYTES_MAX: usize = 32;

impl Filter {
    /// The harmless part of `bytes`, the next piece of the stream.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.step(byte, &mut out);
        }
        out
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match (std::mem::take(&mut self.state), byte) {
            (State::Text | State::Escape, 0x1b) => State::Escape,
            (State::Text, b'\n' | b'\t' | b'\r' | 0x20..=0x7e | 0x80..) => {
                out.push(byte);
                State::Text
            }
            (State::Text, _) => State::Text,
            (State::Escape, b'[') => State::Control(Vec::new()),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Command,
            // Intermediate bytes of a longer sequence (character sets): the one after them ends it.
            (State::Escape, 0x20..=0x2f) => State::Escape,
            (State::Escape, _) => State::Text,
            (State::Control(mut parameters), 0x20..=0x3f) => {
                if parameters.len() <= PARAMETER_BYTES_MAX {
                    parameters.push(byte);
                }
                State::Control(parameters)
            }
            (State::Control(parameters), b'm') => {
                let harmless = parameters.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':'));
                if harmless && parameters.len() <= PARAMETER_BYTES_MAX {
                    out.extend_from_slice(b"\x1b[");
                    out.extend_from_slice(&parameters);
                    out.push(b'm');
                }
                State::Text
            }
            (State::Control(_), 0x1b) => State::Escape,
            (State::Control(_), b'\n') => {
                // No sequence holds a line end: it was torn, and the line must not be lost with it.
                out.push(byte);
                State::Text
            }
            (State::Control(_), _) => State::Text,
            (State::Command, 0x07 | b'\n') => State::Text,
            (State::Command, 0x1b) => State::CommandEscape,
            (State::Command, _) => State::Command,
            (State::CommandEscape, b'\\' | 0x07 | b'\n') => State::Text,
            (State::CommandEscape, 0x1b) => State::CommandEscape,
            (State::CommandEscape, _) => State::Command,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_cannot_command_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected);
        check("web ü 日本", "web ü 日本");
        check("a\nb\tc\r", "a\\nb\\tc\\r");
        check("\x1b[2J", "\\u{1b}[2J");
        check("\u{9b}31m", "\\u{9b}31m");
        check("a\u{202e}b\u{200b}c", "a\\u{202e}b\\u{200b}c");
        check("\0\x7f", "\\u{0}\\u{7f}");
    }

    #[test]
    fn colours_pass_and_other_escapes_do_not_wherever_the_stream_is_cut() {
        let check = |input: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&Filter::default().feed(input.as_bytes())), expected, "{input:?}");
            let mut filter = Filter::default();
            let bytewise: Vec<u8> = input.bytes().flat_map(|byte| filter.feed(&[byte])).collect();
            assert_eq!(String::from_utf8_lossy(&bytewise), expected, "{input:?} byte by byte");
        };
        check("plain ü\tx\r\n", "plain ü\tx\r\n");
        check("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m");
        check("a\x1b[2Jb\x1b[10;10Hc", "abc");
        check("a\x1b[>4;2mb", "ab");
        check("a\x1b]0;title\x07b\x1b]8;;u\x1b\\c", "abc");
        check("a\x1bPq#0\x1b\\b", "ab");
        check("a\x1bcb\x1b(Bd\x07\x08e", "abde");
        check("a\x1b[torn\nb\x1b]torn\nc", "aorn\nbc");
        check(&format!("a\x1b[{}mb", "1;".repeat(40)), "ab");
    }
}
