//! Flame graphs, drawn as nested boxes: a box clips its own text, and its place is a share of the width, so that the drawing
//! fits any page and the one script can zoom it.

use maud::{Markup, html};

use crate::text::plain_long;
use corecurve_analysis::findings::{Flame, FlameFrame, OTHER};

/// Height of a frame in pixels.
const ROW: usize = 17;
/// Narrower frames, in percent of the width, get their name only when they are zoomed into.
const NAMED: f64 = 2.5;
/// Frames that hold at least so much of everything, one inside the other, say nothing.
const EVERYTHING: f64 = 0.985;
/// Deepest row drawn.
const DEEPEST: usize = 64;

/// A frame's place: percent of the width.
struct Place<'a> {
    frame: &'a FlameFrame,
    row: usize,
    x: f64,
    width: f64,
}

/// The drawing; `about` says what it is to who cannot see it.
pub(super) fn draw(flame: &Flame, about: &str) -> Markup {
    let places = places(flame);
    let rows = places.iter().map(|place| place.row + 1).max().unwrap_or(0);
    html! {
        svg .flame role="img" aria-label=(about) height=(rows * ROW + 1) {
            @for place in &places {
                svg x=(format!("{:.2}%", place.x)) y=(place.row * ROW) width=(format!("{:.2}%", place.width)) height=(ROW) {
                    title { (words(flame, place.frame)) }
                    rect width="100%" height="100%" class=(class(flame, place)) {}
                    @if place.width >= NAMED { text x="3" y="12.5" { (plain_long(&place.frame.name, 80)) } }
                }
            }
        }
    }
}

/// How many of the outermost frames hold everything and are left out.
fn outer(flame: &Flame) -> usize {
    let all = weight(flame.total_ns, flame.base_total_ns.unwrap_or(0.0));
    let whole = |pair: &[FlameFrame]| pair.iter().all(|f| weight(f.ns, f.base_ns) >= EVERYTHING * all);
    flame.frames.windows(2).enumerate().take_while(|(at, pair)| pair[1].depth == at + 1 && whole(pair)).count()
}

fn places(flame: &Flame) -> Vec<Place<'_>> {
    let skipped = outer(flame);
    let frames = flame.frames.get(skipped..).unwrap_or_default();
    let all: f64 =
        frames.iter().filter(|frame| frame.depth == skipped).map(|frame| weight(frame.ns, frame.base_ns)).sum();
    // Where the next child of each open frame begins.
    let mut next = vec![0.0; DEEPEST + 1];
    let mut places = Vec::new();
    for frame in frames {
        let Some(row) = frame.depth.checked_sub(skipped).filter(|row| *row < DEEPEST) else { continue };
        let width = weight(frame.ns, frame.base_ns) / all.max(f64::MIN_POSITIVE) * 100.0;
        let x = next[row];
        next[row] += width;
        next[row + 1] = x;
        places.push(Place { frame, row, x, width });
    }
    places
}

/// What a frame's width stands for: in a difference the larger side, so that what vanished can be seen.
fn weight(ns: f64, base_ns: f64) -> f64 {
    ns.max(base_ns)
}

fn class(flame: &Flame, place: &Place<'_>) -> String {
    let frame = place.frame;
    let Some(base) = flame.base_total_ns else {
        let kind = match (frame.name == OTHER, frame.kernel) {
            (true, _) => return "fo".to_owned(),
            (false, true) => 'k',
            (false, false) => 'u',
        };
        // Neighbours differ a little; the same name looks the same everywhere.
        let tint = frame.name.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 3;
        return format!("f{kind}{tint}");
    };
    let change = (frame.ns - frame.base_ns) / base.max(f64::MIN_POSITIVE);
    let strength = [0.005, 0.02, 0.06].into_iter().filter(|least| change.abs() >= *least).count();
    match (strength, change > 0.0) {
        (0, _) => "fo".to_owned(),
        (strength, true) => format!("fg{strength}"),
        (strength, false) => format!("fs{strength}"),
    }
}

fn words(flame: &Flame, frame: &FlameFrame) -> String {
    let place = if frame.kernel { " [kernel]" } else { "" };
    let source = frame.source.as_deref().map_or_else(String::new, |source| format!("\n{}", plain_long(source, 120)));
    let name = plain_long(&frame.name, 240);
    let share = |ns: f64, all: f64| 100.0 * ns / all.max(f64::MIN_POSITIVE);
    match flame.base_total_ns {
        None => {
            format!("{name}{place}\n{} per request, {:.1} %{source}", time(frame.ns), share(frame.ns, flame.total_ns))
        }
        Some(_) => format!("{name}{place}\n{} → {} per request{source}", time(frame.base_ns), time(frame.ns)),
    }
}

/// A time in nanoseconds with three digits.
pub(super) fn time(ns: f64) -> String {
    crate::profile::time(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(depth: usize, name: &str, ns: f64, base_ns: f64) -> FlameFrame {
        FlameFrame { depth, name: name.into(), ns, base_ns, ..FlameFrame::default() }
    }

    #[test]
    fn children_lie_below_their_parents_and_the_outermost_are_left_out() {
        let frames = vec![
            frame(0, "start", 100.0, 0.0),
            frame(1, "run", 100.0, 0.0),
            frame(2, "a", 60.0, 0.0),
            frame(3, "b", 30.0, 0.0),
            frame(2, "c", 40.0, 0.0),
            frame(3, "d", 40.0, 0.0),
        ];
        let flame = Flame { total_ns: 100.0, frames, ..Flame::default() };
        let shown: Vec<(&str, usize, f64, f64)> =
            places(&flame).iter().map(|p| (p.frame.name.as_str(), p.row, p.x, p.width)).collect();
        assert_eq!(
            shown,
            [
                ("run", 0, 0.0, 100.0),
                ("a", 1, 0.0, 60.0),
                ("b", 2, 0.0, 30.0),
                ("c", 1, 60.0, 40.0),
                ("d", 2, 60.0, 40.0)
            ]
        );
    }

    #[test]
    fn a_hostile_name_stays_text_and_growth_has_a_colour() {
        let frames = vec![frame(0, "<script>alert(1)</script>", 80.0, 20.0), frame(0, "same", 20.0, 20.0)];
        let flame = Flame { total_ns: 100.0, base_total_ns: Some(40.0), frames, ..Flame::default() };
        let drawn = draw(&flame, "x").into_string();
        assert!(!drawn.contains("<script"), "{drawn}");
        assert!(drawn.contains("class=\"fg3\"") && drawn.contains("class=\"fo\""), "{drawn}");
        assert_eq!(places(&Flame::default()).len(), 0);
    }
}
