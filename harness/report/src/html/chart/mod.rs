//! Charts as inline SVG: `plotters` draws, CSS colours, one short script answers the pointer.

pub mod axis;
pub mod bars;
pub mod canvas;
pub mod curve;
pub mod ink;
pub mod latency;
pub mod objective;
pub mod shares;
pub mod spectrum;
pub mod waterfall;
