//! Statistical primitives shared by the search, the models and the comparison.
//!
//! Each states its formula and source. All are pure and deterministic; the bootstrap takes its generator.

mod batch;
mod binomial;
mod bootstrap;
mod describe;
mod drift;
mod envelope;
mod mser;
mod order;

pub use batch::{Batch, DesignEffect, design_effect, design_effect_about, neighbour_correlation};
pub use binomial::{clopper_pearson, clopper_pearson_lower, clopper_pearson_upper, samples_needed};
pub use bootstrap::{bootstrap_interval, resample};
pub use describe::{mean, median, normal_quantile, quantile, t_quantile, variance};
pub use drift::{Drift, drift};
pub use envelope::Envelope;
pub use mser::mser5;
pub use order::{median_interval, quantile_interval_ranks};
