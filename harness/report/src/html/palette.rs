//! The colours of the page, once: the drawings name inks, this says what they look like in light and dark.

use super::chart::ink::SERIES;

/// Everything but the series: `(variable, light, dark)`.
const COLOURS: [(&str, &str, &str); 15] = [
    ("paper", "#fdfdfc", "#15181c"),
    ("wash", "#f4f4f1", "#1c2026"),
    ("text", "#1b1f24", "#e6e8ea"),
    ("muted", "#5d656e", "#9aa3ad"),
    ("line", "#e3e3de", "#2b3138"),
    ("grid", "#e9e9e5", "#262b32"),
    ("axis", "#a9adb1", "#565e67"),
    ("limit", "#b3261e", "#ff8a80"),
    ("oracle", "#5d656e", "#aab3bd"),
    ("focus", "#0067a5", "#62b5f2"),
    ("warn", "#d19a00", "#d8a531"),
    ("warn-soft", "#fbefcc", "#3d3216"),
    ("warn-text", "#664b00", "#f1cf78"),
    ("good", "#1c7c43", "#6fd49a"),
    ("bad", "#b3261e", "#ff8a80"),
];

/// The variables as CSS: light, dark where the system asks for it, and either one by the page's own switch.
pub(super) fn css() -> String {
    let series = |dark: bool| {
        let colours = SERIES.iter().map(move |(light, night)| if dark { night } else { light });
        colours.enumerate().map(|(i, colour)| format!("--s{i}:{colour};")).collect::<String>()
    };
    let plain = |dark: bool| {
        let pick =
            move |(name, light, night): &(&str, &str, &str)| format!("--{name}:{};", if dark { night } else { light });
        COLOURS.iter().map(pick).collect::<String>()
    };
    let theme =
        |dark: bool| format!("color-scheme:{};{}{}", if dark { "dark" } else { "light" }, plain(dark), series(dark));
    let (light, dark) = (theme(false), theme(true));
    format!(
        ":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\
         :root[data-theme=light]{{{light}}}:root[data-theme=dark]{{{dark}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::chart::ink::SERIES;
    use super::COLOURS;

    /// Relative luminance, WCAG 2.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn colour(name: &str) -> (&'static str, &'static str) {
        COLOURS.iter().find(|c| c.0 == name).map(|c| (c.1, c.2)).unwrap()
    }

    #[test]
    fn words_and_series_can_be_read_on_both_papers() {
        let paper = colour("paper");
        let words = ["text", "muted", "limit", "oracle", "good", "bad"].map(colour);
        for (light, dark) in words.into_iter().chain(SERIES) {
            assert!(contrast(light, paper.0) >= 4.5, "{light} on {}: {}", paper.0, contrast(light, paper.0));
            assert!(contrast(dark, paper.1) >= 4.5, "{dark} on {}: {}", paper.1, contrast(dark, paper.1));
        }
        let (mark, ground) = (colour("warn-text"), colour("warn-soft"));
        assert!(contrast(mark.0, ground.0) >= 4.5 && contrast(mark.1, ground.1) >= 4.5);
    }
}
