//! A figure: one drawing for wide screens and one for narrow ones, its legend and what its points say.

use std::io;

use maud::{Markup, PreEscaped, html};

use super::chart::canvas::{Drawing, Frame, Spot};
use crate::groups::Legend;

/// What the page gathers while it is written: the points of every drawing, for the script.
#[derive(Debug, Default)]
pub(super) struct Gathered(Vec<Vec<Spot>>);

impl Gathered {
    /// Takes a drawing's points; the number by which the drawing finds them again.
    fn keep(&mut self, spots: Vec<Spot>) -> usize {
        self.0.push(spots);
        self.0.len() - 1
    }

    /// All points as JSON that may stand inside a `script` element: no `<`, no line separator.
    pub(super) fn json(&self) -> io::Result<String> {
        type Row<'a> = (i32, i32, usize, &'a str);
        let rows: Vec<Vec<Row<'_>>> = self
            .0
            .iter()
            .map(|spots| spots.iter().map(|s| (s.at.0, s.at.1, s.series, s.text.as_str())).collect())
            .collect();
        Ok(inert(&serde_json::to_string(&rows)?))
    }
}

/// JSON without a character that HTML or an old script engine would act on. Still the same JSON.
pub(super) fn inert(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out
}

/// Frames of a full-width figure.
pub(super) const WIDE: Frame = Frame { width: 1084, height: 430, left: 64, bottom: 46, text: 13, marker: 4 };
pub(super) const NARROW: Frame = Frame { width: 358, height: 330, left: 52, bottom: 44, text: 12, marker: 4 };
/// The frame of one of many small figures, the same on every screen.
pub(super) const SMALL: Frame = Frame { width: 344, height: 232, left: 50, bottom: 40, text: 11, marker: 3 };

/// One way to draw a figure, with its name on the switch between them.
pub(super) type View<'a> = (&'static str, &'a dyn Fn(Frame) -> io::Result<Drawing>);

/// A figure at full width. With several views, the first is shown and a switch leads to the others.
pub(super) fn full(
    gathered: &mut Gathered,
    about: &str,
    caption: Markup,
    legend: Markup,
    views: &[View<'_>],
) -> io::Result<Markup> {
    let mut drawn = Vec::new();
    for (name, draw) in views {
        let wide = drawing(gathered, about, draw(WIDE)?);
        let narrow = drawing(gathered, about, draw(NARROW)?);
        drawn.push((*name, html! { div .wide { (wide) } div .narrow { (narrow) } }));
    }
    Ok(html! {
        figure data-legend {
            figcaption { (caption) }
            div .controls {
                (legend)
                @if drawn.len() > 1 {
                    div .views role="group" aria-label="Axes" {
                        @for (i, (name, _)) in drawn.iter().enumerate() {
                            button type="button" data-view=(i) aria-pressed=(i == 0) { (name) }
                        }
                    }
                }
            }
            @for (i, (_, drawing)) in drawn.iter().enumerate() { div .view hidden[i > 0] { (drawing) } }
        }
    })
}

/// A drawing as inline SVG that can be asked by pointer and by arrow keys.
pub(super) fn drawing(gathered: &mut Gathered, about: &str, drawing: Drawing) -> Markup {
    let number = gathered.keep(drawing.spots);
    let body = drawing.svg.strip_prefix("<svg ").unwrap_or(&drawing.svg).to_owned();
    // The label is the only text from outside here, and it goes through the template's escaping.
    let label = html! { (format!("{about}; arrow keys go through its points")) }.into_string();
    PreEscaped(format!("<svg tabindex=\"0\" role=\"img\" aria-label=\"{label}\" data-spots=\"{number}\" {body}"))
}

/// Buttons that switch series on and off.
pub(super) fn legend(legend: &Legend<'_>, series: &[usize]) -> Markup {
    html! {
        div .legend role="group" aria-label="Show or hide" {
            @for index in series {
                button type="button" aria-pressed="true" data-series=(index) { (swatch(*index)) span { (legend.name(*index)) } }
            }
        }
    }
}

/// The marker of a series.
pub(super) fn swatch(index: usize) -> Markup {
    let ink = super::chart::ink::Ink::Series(index).name();
    let shape = match index % 4 {
        0 => "<circle cx=\"8\" cy=\"8\" r=\"6\"/>",
        1 => "<path d=\"M2 2H14V14H2Z\"/>",
        2 => "<path d=\"M8 1L15 14H1Z\"/>",
        _ => "<path d=\"M8 0L16 8L8 16L0 8Z\"/>",
    };
    PreEscaped(format!(
        "<svg class=\"swatch\" viewBox=\"0 0 16 16\" fill=\"var(--{ink})\" aria-hidden=\"true\">{shape}</svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_cannot_end_the_script_element() {
        let text = "</script><!--\u{2028}&".to_owned();
        let mut gathered = Gathered::default();
        gathered.keep(vec![Spot { at: (1, 2), series: 3, text: text.clone() }]);
        let json = gathered.json().unwrap();
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        let back: Vec<Vec<(i32, i32, usize, String)>> = serde_json::from_str(&json).unwrap();
        assert_eq!(back[0][0], (1, 2, 3, text));
    }
}
