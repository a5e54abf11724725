//! `web99-static`: many static files of very different sizes, a few of them popular.
//!
//! The static part of what SPECweb99 asked for, as Ruan and Pai describe it (USENIX 2006): 35 % of requests for files below a
//! kilobyte, 50 % of 1 to 9 kB, 14 % of 10 to 90 kB and 1 % of 100 to 900 kB; 36 files to a directory, nine of each class;
//! directories chosen by Zipf's law with exponent 1; about five requests to a connection. The mean reply is 14.7 kB.
//! It shows opening and looking up files, and memory: the working set is 18 MB at four directories and grows with them.
//!
//! The files are made below the target's static root before it starts, each with a content of its own, and answers are checked
//! against them, so that a server cannot serve one file for another. No built-in architecture is made to fail here; what
//! differs is where memory is and how often it is copied.
//!
//! # What this does not show
//! It is not SPECweb99 and no number of it compares with one: there is no dynamic content, and within a class all nine files are
//! equally popular, which they were not there. The files are in the page cache. Over loopback a byte costs a copy.

use std::iter::repeat_n;

use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::site::SiteFile;

/// Share of requests in per cent and size of the smallest file, for each class; the others are its multiples up to nine.
pub const CLASSES: [(f64, u64); 4] = [(35.0, 100), (50.0, 1_000), (14.0, 10_000), (1.0, 100_000)];
/// Files of each class in a directory.
pub const FILES_OF_CLASS: u64 = 9;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "web99-static",
    summary: "GET static files of 100 B to 900 kB in four classes of sizes, directories by Zipf's law, five to a connection",
    not_shown: "Says nothing about SPECweb99 scores, disks or dynamic pages: it borrows the sizes and their shares.",
    exposes: &[],
    needs: Needs::Files,
    suggests: Suggests::requests_per_connection(5),
    settings: &[SettingKind {
        key: "directories",
        default: "4",
        help: "directories of 36 files and 4.5 MB each, 1 to 100",
    }],
    build: |values| {
        let directories = values.count("directories", 1..=100)?;
        let files = (0..directories).flat_map(|directory| files(directory, 1.0 / (directory + 1) as f64));
        let (weights, files): (Vec<f64>, Vec<SiteFile>) = files.unzip();
        let pages = files.iter().map(|file| Recipe::get(format!("/{}", file.path), file.content()));
        Some(Mix::weighted(weights.into_iter().zip(pages)).with_files(files))
    },
};

/// The files of a directory with the weight of each; `popularity` is the directory's.
fn files(directory: u64, popularity: f64) -> impl Iterator<Item = (f64, SiteFile)> {
    let classes = CLASSES.into_iter().enumerate();
    classes.flat_map(move |(class, (share, smallest))| {
        let sizes = (1..=FILES_OF_CLASS).map(move |nth| (nth, nth * smallest));
        let file = move |(nth, size)| SiteFile::named(format!("web99/dir{directory:05}/class{class}_{nth}"), size);
        repeat_n(share * popularity, FILES_OF_CLASS as usize).zip(sizes.map(file))
    })
}

#[cfg(test)]
mod tests {
    use corecurve_core::rng::stream;
    use corecurve_core::{Settings, Workload};

    use super::*;
    use crate::registry::http_workload;

    #[test]
    fn sizes_and_directories_come_in_their_shares() {
        let factory = http_workload("web99-static", &Settings::new()).unwrap();
        let files = factory.files();
        assert_eq!((files.len(), files.iter().map(|file| file.len).sum::<u64>()), (4 * 36, 4 * 4_999_500));
        let (mut workload, mut rng) = (factory.make(0, 3), stream(1, 1));
        let n = 200_000;
        let asked: Vec<&SiteFile> = (0..n).map(|id| &files[workload.next(id, &mut rng).page as usize]).collect();
        let share = |counts: &dyn Fn(&SiteFile) -> bool| asked.iter().filter(|f| counts(f)).count() as f64 / n as f64;
        for (class, (percent, smallest)) in CLASSES.into_iter().enumerate() {
            let seen = share(&|file| (smallest..smallest * 10).contains(&file.len));
            assert!((seen - percent / 100.0).abs() < 0.006, "class {class}: {seen}");
        }
        // Zipf over four: 1, 1/2, 1/3, 1/4 of 25/12.
        for directory in 0..4 {
            let seen = share(&|file| file.path.contains(&format!("dir{directory:05}/")));
            assert!((seen - 12.0 / 25.0 / (directory + 1) as f64).abs() < 0.006, "directory {directory}: {seen}");
        }
        let mean = asked.iter().map(|file| file.len as f64).sum::<f64>() / n as f64;
        assert!((mean / 14_675.0 - 1.0).abs() < 0.05, "{mean}");
    }
}
