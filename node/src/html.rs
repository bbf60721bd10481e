//! Pages that need nothing else: text, sections and tables.

use std::fmt::{self, Display, Formatter, Write};

/// Nothing may be loaded, and nothing run.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Text that is shown as it is, whatever is in it: as content, and in an attribute's quotes.
pub(crate) struct Text<'a>(pub(super) &'a str);

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
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Adds a section with a heading, if there is something in it.
pub(crate) fn section(html: &mut String, id: &str, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = writeln!(
            html,
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2>\
             \n{content}</section>"
        );
    }
}

/// A table that scrolls in a box of its own where it is too wide, and where it is too `tall`.
pub(crate) fn table(name: &str, class: &str, head: &[&str], body: &str, tall: bool) -> String {
    let scroll = if tall { "scroll tall" } else { "scroll" };
    let mut html = format!(
        "<div class=\"{scroll}\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">\
         <table class=\"{class}\"><caption>{name}</caption><thead><tr>",
        name = Text(name)
    );
    for cell in head {
        let _ = write!(html, "<th scope=\"col\">{}</th>", Text(cell));
    }
    let _ = writeln!(html, "</tr></thead><tbody>\n{body}</tbody></table></div>");
    html
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
