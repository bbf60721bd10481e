//! Text in HTML.

use std::fmt::{self, Display, Formatter, Write};

/// Text that is shown as it is, whatever is in it: as content, and in an attribute's quotes.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What HTML allows nowhere, and what turns the direction of the text that follows.
                c if c.is_control() && c != '\n' => f.write_char('\u{fffd}')?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The rest of a word in the plural.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_become_markup() {
        let text = Text("<script>alert(\"1\") && 'x'</script>").to_string();
        assert_eq!(
            text,
            "&lt;script&gt;alert(&quot;1&quot;) &amp;&amp; &#39;x&#39;&lt;/script&gt;"
        );
        assert_eq!(Text("a\0b\u{202e}c\u{1b}\nü").to_string(), "a\u{fffd}b\u{fffd}c\u{fffd}\nü");
    }
}
