//! The efficiency waterfall: from ideal scaling, a step down for each loss, to what was measured.

use std::io;

use super::axis::Axis;
use super::canvas::{Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use corecurve_analysis::findings::Account;

/// Height of a row, CSS pixels.
const ROW: u32 = 40;

/// Draws one account: a row for each part, ending at ln E.
///
/// # Errors
/// See [`draw`].
pub fn waterfall(account: &Account, series: usize, frame: Frame) -> io::Result<Drawing> {
    let steps = steps(account);
    let ends = steps.iter().flat_map(|step| [step.from, step.to]).chain([account.ln_efficiency]);
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let x = Axis::around_zero("efficiency", low, high, if frame.width > 600 { 8 } else { 4 });
    let y = Axis::rows(steps.len() + 1);
    let frame = Frame { height: ROW * (steps.len() as u32 + 1) + 48, bottom: 40, left: 14, ..frame };
    let thick = 13.0;
    draw(frame, &x, &y, |canvas| {
        canvas.post(0.0, Ink::Oracle, Dash::Dashed, "")?;
        for (row, step) in steps.iter().enumerate() {
            let (top, middle) = (row as f64 + 0.22, row as f64 + 0.68);
            let ink = if step.to < step.from { Ink::Limit } else { Ink::Series(series) };
            canvas.line(&[(step.from, middle), (step.to, middle)], ink, Dash::Solid, thick)?;
            let name = format!("{}  {}", step.name, percent(step.to - step.from));
            canvas.word((x.ends().0, top), (4, 0), &name, Ink::Text, true)?;
            let said =
                format!("{}\n{} of efficiency\n± {:.3} in ln E", step.name, percent(step.to - step.from), step.error);
            canvas.spot(((step.from + step.to) / 2.0, middle), series, said);
        }
        let row = steps.len() as f64;
        canvas.line(&[(0.0, row + 0.68), (account.ln_efficiency, row + 0.68)], Ink::Text, Dash::Solid, thick)?;
        let name = format!("efficiency {:.0} %", account.ln_efficiency.exp() * 100.0);
        canvas.word((x.ends().0, row + 0.22), (4, 0), &name, Ink::Text, true)
    })
}

/// A change of ln E as a change of efficiency.
fn percent(ln: f64) -> String {
    match ln.exp_m1() * 100.0 {
        change if change.abs() < 0.05 => "±0 %".to_owned(),
        change if change < 0.0 => format!("−{:.1} %", -change),
        change => format!("+{change:.1} %"),
    }
}

struct Step {
    name: &'static str,
    from: f64,
    to: f64,
    error: f64,
}

fn steps(account: &Account) -> Vec<Step> {
    let mut at = 0.0;
    let step = |bar: &corecurve_analysis::findings::Bar| {
        let from = at;
        at += bar.ln;
        Step { name: bar.part.name(), from, to: at, error: bar.error }
    };
    account.bars.iter().map(step).collect()
}
