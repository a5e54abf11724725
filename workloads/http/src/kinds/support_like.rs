//! `support-like`: a site for downloads: pages that cost CPU, with images in them, and a large file now and then.
//!
//! The structure is that of a vendor's support site, as the Support workload of SPECweb2009 has it: an index, a catalogue, a
//! search, products, a list of downloads, and the files. **The weights are our own**, given below; this is not SPECweb and no number
//! of it compares with one.
//!
//! | at | costs | embeds | goes to |
//! |---|---|---|---|
//! | index | mean / 2 | 5 images | search 50 %, catalogue 35 %, leaves 15 % |
//! | catalogue | mean | 4 | product 60 %, search 20 %, leaves 20 % |
//! | search | 2 × mean | 3 | product 60 %, search 20 %, leaves 20 % |
//! | product | mean | 6 | downloads 40 %, search 20 %, another product 20 %, leaves 20 % |
//! | downloads | mean / 2 | 3 | a file 60 %, product 20 %, leaves 20 % |
//! | file | 100 kB, 300 kB or 1 MB | none | downloads 30 %, leaves 70 % |
//!
//! Pages are CPU spins with log-normal times (`/work`), as a template that is filled in would be. Images and files are static
//! and checked to the byte. Three images are on every page: a visitor asks for an image it has seen with
//! `If-Modified-Since` and must get 304. Each load worker has `visitors` of them, who take turns; who leaves is followed by
//! a new one with an empty cache. All is a function of the seed.
//!
//! CPU and bytes, short and long requests meet, so it shows what one slow kind does to the others: with one loop, everything.
//!
//! # What this does not show
//! People. There is no think time: arrivals are an open loop, so a visitor's next step comes when the schedule says, and may
//! come before the last answer has. As visitors take turns, it comes `visitors` × load cores / rate after the one before, on average, an
//! image as well as a page. A visitor has no connection of its own; any connection carries anyone's request, and an image may be
//! on its way before its page. What stands in the way of both is in docs/adr/0011-operations-that-overlap-prefer-or-pause.md. There are no cookies, no sessions on the server, no database, and the bodies of pages are
//! small: their cost is CPU time alone.

use std::sync::Arc;

use corecurve_core::{Nanos, ServiceShape};

use crate::kinds::work;
use crate::mix::{Mix, Picks, cumulative};
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::response::Content;
use crate::sessions::{Embed, SessionPlan, Stop};
use crate::site::{MODIFIED_TEXT, SiteFile};

/// Stops by number; the index is 0, where all begin.
const CATALOGUE: u8 = 1;
const SEARCH: u8 = 2;
const PRODUCT: u8 = 3;
const DOWNLOADS: u8 = 4;
/// The first of the files: there is a stop for each.
const FILE: u8 = 5;

/// As the rows of the table above.
type PageRow = (u64, &'static [u8], &'static [(u8, f64)], f64);

/// A page: its cost as a multiple of half the mean, its images besides the three that all have, where it leads, and the
/// weight of leaving.
const PAGES: [PageRow; 5] = [
    (1, &[3, 4], &[(SEARCH, 50.0), (CATALOGUE, 35.0)], 15.0),
    (2, &[5], &[(PRODUCT, 60.0), (SEARCH, 20.0)], 20.0),
    (4, &[], &[(PRODUCT, 60.0), (SEARCH, 20.0)], 20.0),
    (2, &[6, 7, 8], &[(DOWNLOADS, 40.0), (SEARCH, 20.0), (PRODUCT, 20.0)], 20.0),
    (1, &[], &[(FILE, 36.0), (FILE + 1, 18.0), (FILE + 2, 6.0), (PRODUCT, 20.0)], 20.0),
];
/// Sizes of the images.
const IMAGES: [u64; 9] = [6_000, 1_500, 800, 12_000, 4_000, 9_000, 15_000, 5_000, 2_500];
/// Images that every page has.
const COMMON: [u8; 3] = [0, 1, 2];
/// Sizes of the files.
const FILES: [u64; 3] = [100_000, 300_000, 1_000_000];

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "support-like",
    summary: "a download site: dynamic pages with images, conditional requests and large files, visited page by page",
    not_shown: "Says nothing about think times or sessions on the server, and the weights are our own, not SPECweb's.",
    exposes: &["single-loop"],
    needs: Needs::Handlers,
    suggests: Suggests::NOTHING,
    settings: &[
        SettingKind { key: "mean", default: "200us", help: "mean CPU time of a product page, 2us to 100ms" },
        SettingKind { key: "visitors", default: "64", help: "visitors of each load core at a time, 1 to 100k" },
    ],
    build: |values| {
        let mean = values.time("mean", Nanos(2_000)..=Nanos(100_000_000));
        let visitors = values.count("visitors", 1..=100_000);
        Some(site(mean?, visitors? as usize))
    },
};

/// The pages in the order of the stops, then each image as new and as known.
fn site(mean: Nanos, visitors: usize) -> Mix {
    let images: Vec<SiteFile> =
        (0..).zip(IMAGES).map(|(i, len)| SiteFile::named(format!("support/image{i}.png"), len)).collect();
    let files: Vec<SiteFile> =
        (0..).zip(FILES).map(|(i, len)| SiteFile::named(format!("support/file{i}.bin"), len)).collect();
    let dynamic = |halves: u64| work::page(ServiceShape::Lognormal, Nanos(mean.0 * halves / 2), "{seed}", "spin");
    let get = |file: &SiteFile| Recipe::get(format!("/{}", file.path), file.content());
    let again = |file: &SiteFile| Recipe {
        fields: format!("If-Modified-Since: {MODIFIED_TEXT}\r\n"),
        status: 304,
        ..Recipe::get(format!("/{}", file.path), Content::Any)
    };
    let mut pages: Vec<Recipe> = PAGES.iter().map(|(halves, ..)| dynamic(*halves)).collect();
    pages.extend(files.iter().map(get));
    let stops = stops();
    let first_image = pages.len();
    let embeds = (0..images.len()).map(|i| Embed { page: first_image + 2 * i, again: first_image + 2 * i + 1 });
    let plan = SessionPlan { visitors, stops, embeds: embeds.collect() };
    pages.extend(images.iter().flat_map(|image| [get(image), again(image)]));
    let files = images.into_iter().chain(files).collect();
    Mix { pages, picks: Picks::Sessions(Arc::new(plan)), depth: 1, preference: None, files }
}

fn stops() -> Vec<Stop> {
    let stop = |page, embeds: Vec<u8>, ways: &[(u8, f64)], leaves: f64| {
        let weights: Vec<f64> = ways.iter().map(|(_, weight)| *weight).chain([leaves]).collect();
        Stop { page, embeds, chances: cumulative(&weights), next: ways.iter().map(|(to, _)| *to).collect() }
    };
    let pages = PAGES
        .iter()
        .enumerate()
        .map(|(page, (_, own, ways, leaves))| stop(page, COMMON.iter().chain(*own).copied().collect(), ways, *leaves));
    let files = (0..FILES.len()).map(|i| stop(PAGES.len() + i, Vec::new(), &[(DOWNLOADS, 30.0)], 70.0));
    pages.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use corecurve_core::rng::stream;
    use corecurve_core::{Settings, Workload};

    use super::*;
    use crate::registry::http_workload;
    use crate::sessions::MAX_EMBEDS;

    #[test]
    fn the_site_hangs_together() {
        let mix = site(Nanos(200_000), 3);
        let Picks::Sessions(plan) = &mix.picks else { panic!("no sessions") };
        assert_eq!(usize::from(FILE), PAGES.len());
        assert!(plan.embeds.len() <= MAX_EMBEDS);
        for stop in &plan.stops {
            assert_eq!(stop.chances.len(), stop.next.len() + 1);
            assert!(stop.next.iter().all(|next| usize::from(*next) < plan.stops.len()));
            assert!(stop.embeds.iter().all(|embed| usize::from(*embed) < plan.embeds.len()));
        }
        assert!(plan.embeds.iter().all(|embed| mix.pages[embed.again].status == 304));
    }

    #[test]
    fn visits_have_the_shares_that_the_weights_say() {
        let (mut workload, mut rng) =
            (http_workload("support-like", &Settings::new()).unwrap().make(0, 1), stream(4, 1));
        let n = 300_000u64;
        let mut counts = [0u64; 8 + 2 * IMAGES.len()];
        (0..n).for_each(|id| counts[workload.next(id, &mut rng).page as usize] += 1);
        let pages: u64 = counts[..8].iter().sum();
        // Visits per entry solve v = e0 + P'v: index 1, and with its own weights every other stop.
        let mut visits = [0.0f64; 8];
        for _ in 0..200 {
            let mut next = [0.0; 8];
            next[0] = 1.0;
            for (from, stop) in stops().iter().enumerate() {
                let mut before = 0.0;
                for (to, upto) in stop.next.iter().zip(&stop.chances) {
                    next[usize::from(*to)] += visits[from] * (upto - before);
                    before = *upto;
                }
            }
            visits = next;
        }
        let all: f64 = visits.iter().sum();
        for (stop, visits) in visits.into_iter().enumerate() {
            let seen = counts[stop] as f64 / pages as f64;
            assert!((seen - visits / all).abs() < 0.01, "stop {stop}: {seen} for {}", visits / all);
        }
        let (new, known): (u64, u64) = counts[8..].chunks(2).fold((0, 0), |(a, b), pair| (a + pair[0], b + pair[1]));
        assert!(new > n / 20 && known > n / 20, "{new} {known}");
    }
}
