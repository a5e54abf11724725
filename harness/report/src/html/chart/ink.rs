//! [`Ink`]: colours by meaning. A drawing names its inks; the page's CSS decides what they look like, so that
//! one drawing serves light and dark, and a series can be switched off by its class.
//!
//! `plotters` knows only RGB. Each ink therefore travels through it as a colour that no palette uses
//! (`#01FFCC`: flags and code), and [`themed`] turns it into a class and a CSS variable afterwards.

use plotters::style::RGBColor;

/// Colours for series, in the order targets take them: distinct for colour-blind readers, and always
/// joined by a marker shape of their own. `(light theme, dark theme)`.
pub const SERIES: [(&str, &str); 8] = [
    ("#0067a5", "#62b5f2"),
    ("#c04a00", "#ff9559"),
    ("#00775a", "#43cfa2"),
    ("#9b3d92", "#e296d8"),
    ("#806200", "#e3c04e"),
    ("#3f4aa8", "#a9b3ff"),
    ("#8a3b3b", "#f0a0a0"),
    ("#55606c", "#b7c0ca"),
];

/// What a stroke or a fill means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Words and figures.
    Text,
    /// Words that stand back.
    Muted,
    /// Grid lines.
    Grid,
    /// Axis lines.
    Axis,
    /// The limit of an SLO.
    Limit,
    /// What theory says.
    Oracle,
    /// The paper under the drawing, for the inside of hollow markers.
    Paper,
    /// A target.
    Series(usize),
}

/// How a stroke is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    #[default]
    Solid,
    /// Dashes.
    Dashed,
    /// Dots.
    Dotted,
}

const MARK: u8 = 1;
const FIRST_SERIES: u8 = 16;

impl Ink {
    const PLAIN: [Ink; 7] = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Axis, Ink::Limit, Ink::Oracle, Ink::Paper];

    /// The CSS variable that holds this ink, without the leading dashes.
    pub fn name(self) -> String {
        match self {
            Ink::Text => "text".into(),
            Ink::Muted => "muted".into(),
            Ink::Grid => "grid".into(),
            Ink::Axis => "axis".into(),
            Ink::Limit => "limit".into(),
            Ink::Oracle => "oracle".into(),
            Ink::Paper => "paper".into(),
            Ink::Series(i) => format!("s{}", i % SERIES.len()),
        }
    }

    /// The stand-in colour that carries this ink and dash through `plotters`.
    pub fn solid(self) -> RGBColor {
        self.dashed(Dash::Solid)
    }

    /// As [`Ink::solid`], with a dash.
    pub fn dashed(self, dash: Dash) -> RGBColor {
        let code = match self {
            Ink::Series(i) => FIRST_SERIES + (i % 200) as u8,
            plain => Ink::PLAIN.iter().position(|ink| *ink == plain).unwrap_or(0) as u8,
        };
        RGBColor(MARK, dash as u8, code)
    }

    fn from_code(code: u8) -> Option<Ink> {
        match code.checked_sub(FIRST_SERIES) {
            Some(series) => Some(Ink::Series(usize::from(series))),
            None => Ink::PLAIN.get(usize::from(code)).copied(),
        }
    }

    /// The class by which a legend switches a series off; none for other inks.
    fn class(self) -> Option<String> {
        match self {
            Ink::Series(i) => Some(format!("t{i}")),
            _ => None,
        }
    }
}

/// Replaces the stand-in colours in an SVG by classes and CSS variables and drops attributes that say nothing.
///
/// Text of users cannot be mistaken for an attribute: `plotters` escapes quotation marks in text.
pub fn themed(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some(at) = rest.find("=\"#01") {
        let Some((dash, ink)) = rest.get(at + 5..at + 9).and_then(stand_in) else {
            out.push_str(&rest[..at + 5]);
            rest = &rest[at + 5..];
            continue;
        };
        let name_at = rest[..at].rfind(' ').map_or(0, |space| space + 1);
        out.push_str(&rest[..name_at]);
        let classes: Vec<String> = ink.class().into_iter().chain(dash.map(str::to_owned)).collect();
        if !classes.is_empty() {
            out.push_str(&format!("class=\"{}\" ", classes.join(" ")));
        }
        out.push_str(&format!("{}=\"var(--{})\"", &rest[name_at..at], ink.name()));
        rest = &rest[at + 10..];
    }
    out.push_str(rest);
    out.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "")
}

fn stand_in(hex: &str) -> Option<(Option<&'static str>, Ink)> {
    let dash = match u8::from_str_radix(hex.get(..2)?, 16).ok()? {
        0 => None,
        1 => Some("dashed"),
        2 => Some("dotted"),
        _ => return None,
    };
    Some((dash, Ink::from_code(u8::from_str_radix(hex.get(2..4)?, 16).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_become_variables_and_classes() {
        let svg = "<line opacity=\"1\" stroke=\"#010110\" x1=\"0\"/><circle fill=\"#010002\"/><p a=\"#01zzzz\"/>";
        assert_eq!(
            themed(svg),
            "<line class=\"t0 dashed\" stroke=\"var(--s0)\" x1=\"0\"/><circle fill=\"var(--grid)\"/><p a=\"#01zzzz\"/>"
        );
    }

    #[test]
    fn every_ink_survives_the_journey() {
        let inks = Ink::PLAIN.into_iter().chain((0..30).map(Ink::Series));
        for (ink, dash) in inks.flat_map(|ink| [(ink, Dash::Solid), (ink, Dash::Dashed), (ink, Dash::Dotted)]) {
            let RGBColor(mark, flags, code) = ink.dashed(dash);
            let svg = themed(&format!("<a fill=\"#{mark:02X}{flags:02X}{code:02X}\"/>"));
            assert!(svg.contains(&format!("fill=\"var(--{})\"", ink.name())), "{svg}");
            assert!(!svg.contains('#'), "{svg}");
        }
    }
}
