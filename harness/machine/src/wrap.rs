//! Text broken to a width, for what is read on a terminal.

use std::fmt::Write;

/// Columns a drawing or an examination may take.
pub const WIDTH: usize = 100;

/// Writes `text` after `label` and a newline, broken at blanks and commas so that no line is wider than [`WIDTH`];
/// further lines are indented to the end of the label.
pub(crate) fn paragraph(out: &mut String, label: &str, text: &str) {
    let indent = label.chars().count();
    let mut column = indent;
    out.push_str(label);
    for word in text.split_inclusive([' ', ',']) {
        let width = word.trim_end().chars().count();
        if column > indent && column + width > WIDTH {
            out.truncate(out.trim_end_matches(' ').len());
            // Writing to a string cannot fail.
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_keep_to_the_width() {
        let mut out = String::new();
        let list: Vec<String> = (0..200).step_by(2).map(|n| n.to_string()).collect();
        paragraph(&mut out, "note  ", &format!("CPUs {} may not be used", list.join(",")));
        assert!(out.lines().count() > 2);
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH && line == line.trim_end()), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with("      ")));
        // What cannot be broken is kept whole.
        let mut long = String::new();
        paragraph(&mut long, "", &"x".repeat(WIDTH + 5));
        assert_eq!(long.lines().count(), 1);
    }
}
