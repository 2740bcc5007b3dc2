//! Charts as SVG: lines and axes, nothing that runs.

use super::time;
use maud::{Markup, html};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 32.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 10.0;

/// A line: its target's place, how it is drawn, and its points.
pub(super) struct Line {
    pub(super) place: usize,
    pub(super) is_dashed: bool,
    /// What it says when the pointer rests on it.
    pub(super) title: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// What stands below the chart, from 0 to 1.
pub(super) type Marks = Vec<(f64, String)>;

/// A chart whose lines have x from 0 to 1 and y in nanoseconds, drawn by its logarithm.
pub(super) fn latencies(name: &str, across: &Marks, lines: &[Line]) -> Markup {
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1.max(1_000.0));
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(1_000.0, f64::max));
    let ticks: Vec<f64> =
        (0..9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 1e3 * 10_f64.powi(power))).collect();
    let floor = ticks.iter().copied().rfind(|tick| *tick <= low).unwrap_or(1e3);
    let ceiling = ticks.iter().copied().find(|tick| *tick >= high).unwrap_or(1e12);
    let up = |nanos: f64| (nanos.max(floor) / floor).ln() / (ceiling / floor).ln().max(1e-9);
    let marks = ticks.iter().filter(|tick| (floor..=ceiling).contains(*tick));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ticks are whole and positive")]
    let marks = marks.map(|tick| (up(*tick), time(*tick as u64).replace(".00", "").replace(".0 ", " "))).collect();
    chart(name, across, &marks, lines, up)
}

/// A chart whose lines have x and y from 0 to 1; `highest` is what stands at the top.
pub(super) fn shares(name: &str, across: &Marks, highest: f64, lines: &[Line]) -> Markup {
    let marks = [0.0, 0.5, 1.0].map(|at| (at, format!("{:.1} %", at * highest * 100.0))).to_vec();
    chart(name, across, &marks, lines, |share| share / highest.max(1e-9))
}

fn chart(name: &str, across: &Marks, upwards: &Marks, lines: &[Line], up: impl Fn(f64) -> f64) -> Markup {
    let x = |at: f64| LEFT + at * (WIDTH - LEFT - RIGHT);
    let y = |at: f64| HEIGHT - BOTTOM - at * (HEIGHT - BOTTOM - TOP);
    let path = |line: &Line| {
        let points = line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(up(*value))));
        points.collect::<Vec<_>>().join(" ")
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(name) {
            @for (at, text) in upwards {
                line class="grid" x1=(x(0.0)) x2=(x(1.0)) y1=(y(*at)) y2=(y(*at)) {}
                text x=(LEFT - 8.0) y=(y(*at) + 4.0) text-anchor="end" { (text) }
            }
            @for (at, text) in across {
                line class="grid" x1=(x(*at)) x2=(x(*at)) y1=(y(0.0)) y2=(y(1.0)) {}
                text x=(x(*at)) y=(HEIGHT - BOTTOM + 18.0) text-anchor="middle" { (text) }
            }
            @for line in lines {
                polyline class=(format!("t{}{}", line.place, if line.is_dashed { " far" } else { "" })) points=(path(line)) {
                    title { (line.title) }
                }
            }
        }
    }
}
