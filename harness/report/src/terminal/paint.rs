//! Five ways to stress a word, and none when colour is unwelcome.

use super::Style;

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it is.
    #[default]
    Plain,
    /// The word that matters.
    Strong,
    /// Stands back.
    Faint,
    /// As it should be.
    Good,
    /// To be kept in mind.
    Warn,
    /// Wrong.
    Bad,
}

impl Style {
    /// `text` painted, if colour is welcome.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Strong => "1",
            Paint::Faint => "2",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
        };
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text wrapped at the width, its first line after `head`, the others indented as far as `head` is wide.
    pub(super) fn paragraph(self, head: &str, paint: Paint, text: &str) -> String {
        let indent = unicode_width::UnicodeWidthStr::width(head);
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = vec![String::new()];
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let used = lines.last().map_or(0, |line| width(line));
            if used > 0 && used + 1 + width(word) > room {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        let mut out = String::new();
        for (i, line) in lines.iter().enumerate() {
            let lead = if i == 0 { head.to_owned() } else { " ".repeat(indent) };
            out += &format!("{lead}{}\n", self.paint(paint, line));
        }
        out
    }
}

/// Columns a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}
