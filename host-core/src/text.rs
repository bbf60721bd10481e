//! Text that somebody else had a say in: a guest, a worker, a job.
//!
//! It may be long, and it may be meant for a terminal rather than for its reader. What goes into a log,
//! an error or a report passes through here first.

/// The most of one text that is kept, in bytes, before anything in it is escaped.
pub const MAX_LEN: usize = 16 << 10;

/// Makes text one harmless line: control characters are written as escapes, and those too that change
/// the direction of what follows.
pub fn clean(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) {
            cleaned.extend(c.escape_default());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// Does the same, and cuts it off at [`MAX_LEN`].
pub fn clean_and_cut(text: &str) -> String {
    cut(text, clean)
}

/// Makes each line of a text harmless, and cuts it off at [`MAX_LEN`]. It has to pass through
/// [`clean`] before it goes where a line is an entry, as in a log.
pub fn clean_lines_and_cut(text: &str) -> String {
    cut(text, |text| text.split('\n').map(clean).collect::<Vec<_>>().join("\n"))
}

fn cut(text: &str, clean: impl Fn(&str) -> String) -> String {
    let end = text.floor_char_boundary(MAX_LEN);
    let mut cleaned = clean(&text[..end]);
    if end < text.len() {
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(clean("über \"a\\b\""), "über \"a\\b\"");
        assert_eq!(clean("a\x1b[2J\r\nb\u{9b}\u{202e}"), r"a\u{1b}[2J\r\nb\u{9b}\u{202e}");
    }

    #[test]
    fn lines_may_stay_lines() {
        assert_eq!(clean_lines_and_cut("a\x1b[2J\n\nb\r\n"), "a\\u{1b}[2J\n\nb\\r\n");
    }

    #[test]
    fn what_is_long_is_cut_off_between_characters() {
        let text = "ü".repeat(MAX_LEN);
        assert_eq!(clean_and_cut(&text), format!("{}…", "ü".repeat(MAX_LEN / 2)));
        assert_eq!(clean_and_cut(&text[..MAX_LEN]), &text[..MAX_LEN]);
    }
}
