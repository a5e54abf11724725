//! Placeholders such as `{port}`: a word in braces. Any other brace is left alone, because configuration files are full of them.

use std::collections::BTreeMap;

use corecurve_core::Problem;

/// Placeholders every recipe has: the port to listen on, the number of server cores and of workers (the same), the
/// CPUs as a list, and the scratch directory.
pub(super) const RESERVED: [&str; 5] = ["port", "cores", "workers", "cpus", "dir"];

/// Whether `name` can be a placeholder.
pub(super) fn is_word(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    name.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) && name.bytes().all(rest)
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Word(&'a str),
}

/// Cuts a template into text and words. `{{word}}` is the text `{word}`.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let inside = &rest[open + 1..];
        let word = inside.split_once('}').map(|(word, _)| word);
        let escaped = inside.strip_prefix('{').and_then(|inner| inner.split_once("}}")).map(|(word, _)| word);
        let end = match (word, escaped) {
            (_, Some(word)) if is_word(word) => {
                pieces.push(Piece::Text(&rest[..open]));
                pieces.push(Piece::Text(&inside[..word.len() + 2]));
                open + word.len() + 4
            }
            (Some(word), _) if is_word(word) => {
                pieces.push(Piece::Text(&rest[..open]));
                pieces.push(Piece::Word(word));
                open + word.len() + 2
            }
            _ => {
                pieces.push(Piece::Text(&rest[..=open]));
                open + 1
            }
        };
        rest = &rest[end..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// A problem for each placeholder that is not among the known ones.
pub(super) fn unknown(template: &str, known: &[&str]) -> Vec<Problem> {
    let strange = pieces(template).into_iter().filter_map(|piece| match piece {
        Piece::Word(word) if !known.contains(&word) => Some(word),
        _ => None,
    });
    strange
        .map(|word| {
            Problem::unknown("placeholder", word, known.iter().copied(), "Write {{word}} for a literal {word}.")
        })
        .collect()
}

/// The text with every placeholder replaced. Values are not looked at again, so they can hold braces.
pub(super) fn expand(template: &str, values: &BTreeMap<String, String>) -> String {
    let text = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Word(word) => values.get(word).map_or("", String::as_str),
    };
    pieces(template).into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_and_other_braces_stay() {
        let values = [("port", "8080"), ("dir", "/a {port}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (template, text) in [
            ("--port={port}", "--port=8080"),
            ("{dir}/{port}/", "/a {port}/8080/"),
            ("events { use epoll; } ${x:-{port}}", "events { use epoll; } ${x:-8080}"),
            ("{{port}} {port", "{port} {port"),
            ("[0-9]{2} {} {a b} {A}", "[0-9]{2} {} {a b} {A}"),
            ("", ""),
            ("ä{port}ö", "ä8080ö"),
        ] {
            assert_eq!(expand(template, &values), text, "{template}");
        }
        assert_eq!(unknown("{port} {prot} {{x}} { y }", &RESERVED).len(), 1);
    }
}
