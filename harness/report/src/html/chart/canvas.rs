//! [`Canvas`]: the few strokes every chart is made of, drawn by `plotters` into an SVG that takes its colours
//! from the page.

use std::io;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::{Circle, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text};
use plotters::prelude::{Cartesian2d, ChartBuilder, DrawingArea, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::ink::{Dash, Ink, themed};

/// `plotters` places things on whole pixels. Drawing larger and showing smaller gives it quarter pixels.
const FINE: i32 = 4;

/// Size and text sizes of a drawing, in CSS pixels at natural width.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Room for the labels of the y axis.
    pub left: u32,
    /// Room for the labels of the x axis.
    pub bottom: u32,
    /// Text size of labels.
    pub text: u32,
    /// Radius of markers.
    pub marker: u32,
}

/// A point a reader can ask about.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Place in the drawing's own units.
    pub at: (i32, i32),
    /// Series it belongs to, for its colour and for the legend.
    pub series: usize,
    /// What is said about it: lines separated by a line feed.
    pub text: String,
}

/// A finished drawing.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// `<svg>…</svg>` without a size of its own.
    pub svg: String,
    /// What can be asked.
    pub spots: Vec<Spot>,
}

type Coord = Cartesian2d<Scale, Scale>;

/// An [`Axis`] as `plotters` wants it: marks where the axis says, nowhere else.
#[derive(Clone)]
struct Scale(Axis);

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let (lo, hi) = self.0.range;
        limit.0 + ((value - lo) / (hi - lo) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.0.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.0.range.0..self.0.range.1
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(at: &f64) -> String {
        at.to_string()
    }

    fn format_ext(&self, at: &f64) -> String {
        self.0.ticks.iter().find(|(tick, _)| tick == at).map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

/// A drawing in the making: a pair of axes and what is put on them.
pub struct Canvas<'a, 'b> {
    chart: &'a mut ChartContext<'b, SVGBackend<'b>, Coord>,
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
    frame: Frame,
    /// The horizontal axis.
    pub x: &'a Axis,
    /// The vertical axis.
    pub y: &'a Axis,
    spots: Vec<Spot>,
}

impl std::fmt::Debug for Canvas<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canvas").field("frame", &self.frame).field("spots", &self.spots.len()).finish_non_exhaustive()
    }
}

/// Draws on a pair of axes.
///
/// # Errors
/// What `plotters` reports; nothing is known that makes it fail when it draws into memory.
pub fn draw(
    frame: Frame,
    x: &Axis,
    y: &Axis,
    paint: impl FnOnce(&mut Canvas<'_, '_>) -> io::Result<()>,
) -> io::Result<Drawing> {
    let mut svg = String::new();
    let spots = {
        let size = (frame.width * FINE as u32, frame.height * FINE as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let label = |title: &Axis, room: u32| if title.ticks.is_empty() { 0 } else { fine(room) };
        let mut chart = ChartBuilder::on(&area)
            .margin_top(fine(10))
            .margin_right(fine(22))
            .x_label_area_size(label(x, frame.bottom))
            .y_label_area_size(label(y, frame.left))
            .build_cartesian_2d(Scale(x.clone()), Scale(y.clone()))
            .map_err(failed)?;
        grid(&mut chart, frame, x, y)?;
        let mut canvas = Canvas { chart: &mut chart, area: &area, frame, x, y, spots: Vec::new() };
        paint(&mut canvas)?;
        let spots = std::mem::take(&mut canvas.spots);
        area.present().map_err(failed)?;
        spots
    };
    let sized = format!("width=\"{}\" height=\"{}\" ", frame.width * FINE as u32, frame.height * FINE as u32);
    Ok(Drawing { svg: themed(&svg).replacen(&sized, "", 1).replace("\n", ""), spots })
}

fn grid(chart: &mut ChartContext<'_, SVGBackend<'_>, Coord>, frame: Frame, x: &Axis, y: &Axis) -> io::Result<()> {
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(ShapeStyle::from(&Ink::Grid.solid().mix(0.0)))
        .bold_line_style(pen(Ink::Grid.solid(), 1.0))
        .axis_style(pen(Ink::Axis.solid(), 1.0))
        .label_style(font(frame.text, Ink::Muted))
        .axis_desc_style(font(frame.text, Ink::Text))
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .set_all_tick_mark_size(fine(3) as i32);
    mesh.x_labels(x.ticks.len()).y_labels(y.ticks.len());
    mesh.draw().map_err(failed)
}

impl Canvas<'_, '_> {
    /// A line through points given in values.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, dash: Dash, width: f64) -> io::Result<()> {
        let placed: Vec<(f64, f64)> = points.iter().map(|(x, y)| (self.x.at(*x), self.y.at(*y))).collect();
        if placed.len() < 2 {
            return Ok(());
        }
        self.put(PathElement::new(placed, pen(ink.dashed(dash), width)))
    }

    /// A marker: full for a number that counts, hollow for one that does not. Each series has its shape.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn marker(&mut self, at: (f64, f64), series: usize, full: bool) -> io::Result<()> {
        let here = self.pixel(at);
        let r = fine(self.frame.marker) as i32;
        let corners: Vec<(i32, i32)> = match series % 4 {
            0 => Vec::new(),
            1 => vec![(-r, -r), (r, -r), (r, r), (-r, r)],
            2 => vec![(0, -r * 5 / 4), (r * 5 / 4, r), (-r * 5 / 4, r)],
            _ => vec![(0, -r * 4 / 3), (r * 4 / 3, 0), (0, r * 4 / 3), (-r * 4 / 3, 0)],
        };
        let ink = Ink::Series(series);
        let inside = if full { ink } else { Ink::Paper };
        if corners.is_empty() {
            self.put_pixel(Circle::new(here, r, inside.solid().filled()))?;
            return self.put_pixel(Circle::new(here, r, pen(ink.solid(), 1.6)));
        }
        let mut outline: Vec<(i32, i32)> = corners.iter().map(|(x, y)| (here.0 + x, here.1 + y)).collect();
        self.put_pixel(Polygon::new(outline.clone(), inside.solid().filled()))?;
        outline.push(outline[0]);
        self.put_pixel(PathElement::new(outline, pen(ink.solid(), 1.6)))
    }

    /// An interval along the y axis, with feet.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn interval(&mut self, x: f64, (lo, hi): (f64, f64), series: usize) -> io::Result<()> {
        let (top, bottom, foot) = (self.pixel((x, hi)), self.pixel((x, lo)), fine(4) as i32);
        let stroke = pen(Ink::Series(series).solid(), 1.5);
        for (from, to) in [
            (top, bottom),
            ((top.0 - foot, top.1), (top.0 + foot, top.1)),
            ((bottom.0 - foot, bottom.1), (bottom.0 + foot, bottom.1)),
        ] {
            self.put_pixel(PathElement::new(vec![from, to], stroke))?;
        }
        Ok(())
    }

    /// A bar along the x axis from zero, `thick` CSS pixels high, with its interval.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn bar(&mut self, value: f64, row: f64, ci: Option<[f64; 2]>, series: usize, full: bool) -> io::Result<()> {
        let half = fine(7) as i32;
        let (start, end) = (self.pixel((0.0, row)), self.pixel((value, row)));
        let ink = Ink::Series(series);
        let corners = [(start.0, start.1 - half), (end.0, end.1 + half)];
        let body = ink.solid().mix(if full { 0.85 } else { 0.18 });
        self.put_pixel(Rectangle::new(corners, body.filled()))?;
        let Some([lo, hi]) = ci else { return Ok(()) };
        let (lo, hi, foot) = (self.pixel((lo, row)), self.pixel((hi, row)), fine(4) as i32);
        for (from, to) in
            [(lo, hi), ((lo.0, lo.1 - foot), (lo.0, lo.1 + foot)), ((hi.0, hi.1 - foot), (hi.0, hi.1 + foot))]
        {
            self.put_pixel(PathElement::new(vec![from, to], pen(Ink::Text.solid(), 1.5)))?;
        }
        Ok(())
    }

    /// A pale band across the whole drawing between two y values.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn band(&mut self, low: f64, high: f64) -> io::Result<()> {
        let (x0, x1) = self.x.range;
        let corners = [(x0, self.y.at(high)), (x1, self.y.at(low))];
        self.put(Rectangle::new(corners, Ink::Oracle.solid().mix(0.16).filled()))
    }

    /// A line across the whole drawing at a y value, with a word above its left end.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn level(&mut self, y: f64, ink: Ink, dash: Dash, word: &str) -> io::Result<()> {
        let (x0, x1, y) = (self.x.range.0, self.x.range.1, self.y.at(y));
        self.put(PathElement::new(vec![(x0, y), (x1, y)], pen(ink.dashed(dash), 1.3)))?;
        let (px, py) = self.chart.backend_coord(&(x0, y));
        self.say((px + fine(6) as i32, py - fine(3) as i32), word, ink, HPos::Left, VPos::Bottom)
    }

    /// A line from bottom to top at an x value, with a word at its top.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn post(&mut self, x: f64, ink: Ink, dash: Dash, word: &str) -> io::Result<()> {
        let (y0, y1, x) = (self.y.range.0, self.y.range.1, self.x.at(x));
        self.put(PathElement::new(vec![(x, y0), (x, y1)], pen(ink.dashed(dash), 1.3)))?;
        let (px, py) = self.chart.backend_coord(&(x, y1));
        let right_half = px > (self.frame.width * FINE as u32) as i32 / 2;
        let (shift, anchor) = if right_half { (-5, HPos::Right) } else { (5, HPos::Left) };
        self.say((px + shift * FINE, py + fine(3) as i32), word, ink, anchor, VPos::Top)
    }

    /// A word beside a place given in values, moved by CSS pixels.
    ///
    /// # Errors
    /// See [`draw`].
    pub fn word(&mut self, at: (f64, f64), moved: (i32, i32), word: &str, ink: Ink, left: bool) -> io::Result<()> {
        let (x, y) = self.pixel(at);
        let anchor = if left { HPos::Left } else { HPos::Right };
        self.say((x + moved.0 * FINE, y + moved.1 * FINE), word, ink, anchor, VPos::Center)
    }

    /// Makes a place answer when it is asked about.
    pub fn spot(&mut self, at: (f64, f64), series: usize, text: String) {
        let at = self.pixel(at);
        self.spots.push(Spot { at, series, text });
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        self.chart.backend_coord(&(self.x.at(x), self.y.at(y)))
    }

    fn say(&self, at: (i32, i32), word: &str, ink: Ink, h: HPos, v: VPos) -> io::Result<()> {
        if word.is_empty() {
            return Ok(());
        }
        self.put_pixel(Text::new(word.to_owned(), at, font(self.frame.text, ink).pos(Pos::new(h, v))))
    }

    fn put<E>(&mut self, element: E) -> io::Result<()>
    where
        for<'e> &'e E: PointCollection<'e, (f64, f64)>,
        E: for<'e> Drawable<SVGBackend<'e>>,
    {
        self.chart.plotting_area().draw(&element).map_err(failed)
    }

    fn put_pixel<E>(&self, element: E) -> io::Result<()>
    where
        for<'e> &'e E: PointCollection<'e, (i32, i32)>,
        E: for<'e> Drawable<SVGBackend<'e>>,
    {
        self.area.draw(&element).map_err(failed)
    }
}

fn fine(css_px: u32) -> u32 {
    css_px * FINE as u32
}

fn pen(colour: RGBColor, width: f64) -> ShapeStyle {
    colour.stroke_width((width * f64::from(FINE)).round() as u32)
}

/// `plotters` divides sizes by 1.24 on the way out.
fn font(size: u32, ink: Ink) -> plotters::style::TextStyle<'static> {
    ("sans-serif", f64::from(fine(size)) * 1.24).into_font().color(&ink.solid())
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("cannot draw: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::axis::Unit;
    use super::*;

    #[test]
    fn a_drawing_has_no_size_and_no_colour_of_its_own() {
        let frame = Frame { width: 300, height: 200, left: 50, bottom: 40, text: 12, marker: 4 };
        let (x, y) = (Axis::from_zero("x", Unit::Rate, 9.0, 4), Axis::log("y", Unit::Time, [1e3, 1e6], 5));
        let drawing = draw(frame, &x, &y, |canvas| {
            canvas.line(&[(1.0, 1e4), (5.0, 1e5)], Ink::Series(1), Dash::Dashed, 2.0)?;
            canvas.interval(5.0, (5e4, 2e5), 1)?;
            canvas.level(3e5, Ink::Limit, Dash::Dashed, "</text><script>\"")?;
            for series in 0..5 {
                canvas.marker((5.0, 1e5), series, series % 2 == 0)?;
            }
            canvas.spot((5.0, 1e5), 1, "five".into());
            Ok(())
        })
        .unwrap();
        assert!(drawing.svg.starts_with("<svg viewBox=\"0 0 1200 800\""), "{}", &drawing.svg[..80]);
        assert!(!drawing.svg.contains("\"#"), "{}", drawing.svg);
        assert!(drawing.svg.contains("&lt;/text&gt;&lt;script&gt;&quot;"), "{}", drawing.svg);
        assert!(drawing.svg.contains("class=\"t1 dashed\" stroke=\"var(--s1)\""));
        let (x, y) = drawing.spots[0].at;
        assert!((0..1200).contains(&x) && (0..800).contains(&y));
    }
}
