//! Core counts as people write them: `1,2,4..16`, `pow2`, `all`.

use std::collections::BTreeSet;

use corecurve_core::Problem;
use corecurve_core::problem::printable;

/// Most core counts of one sweep; more is surely a slip.
const MOST: usize = 1024;

/// The core counts named by `text` on a machine (or simulation) that has `max` of them.
///
/// `pow2` is 1, 2, 4, … and `max`; `all` is every count from 1 to `max`; `4..16` is inclusive.
///
/// # Errors
/// When the text is no such list or asks for more than `max`.
pub fn core_counts(text: &str, max: usize, what: &str) -> Result<Vec<usize>, Problem> {
    match text.trim() {
        "pow2" => {
            let mut counts: BTreeSet<usize> =
                std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n <= max).collect();
            counts.insert(max.max(1));
            Ok(counts.into_iter().collect())
        }
        "all" => Ok((1..=max.max(1)).collect()),
        list => {
            let mut counts = BTreeSet::new();
            for part in list.split(',') {
                let (first, last) = part.split_once("..").unwrap_or((part, part));
                let (first, last) = (count(first, text)?, count(last.trim_start_matches('='), text)?);
                if first > last {
                    return Err(bad(text, &format!("`{}` runs backwards", printable(part))));
                }
                if last > max {
                    return Err(Problem::new(format!(
                        "--cores: `{}` asks for {last} server cores, {what}",
                        printable(text)
                    ))
                    .help(format!(
                        "ask for at most {max}, or give server and load the same cores with --allow-shared-cores, \
                             or use a `sim:` target"
                    )));
                }
                counts.extend(first..=last);
            }
            if counts.len() > MOST {
                return Err(bad(text, &format!("it names {} counts", counts.len())));
            }
            Ok(counts.into_iter().collect())
        }
    }
}

fn count(text: &str, whole: &str) -> Result<usize, Problem> {
    let digits = text.trim();
    match digits.parse::<usize>() {
        Ok(0) => Err(bad(whole, "a server needs at least 1 core")),
        Ok(n) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
        _ => Err(bad(whole, &format!("`{}` is no count", printable(text)))),
    }
}

fn bad(text: &str, why: &str) -> Problem {
    Problem::new(format!("--cores: `{}` is not a list of core counts: {why}", printable(text)))
        .help("write e.g. `1,2,4..16`, `pow2` or `all`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_expand() {
        for (text, max, counts) in [
            ("1", 4, vec![1]),
            ("4,1,2", 4, vec![1, 2, 4]),
            ("1,3..5", 8, vec![1, 3, 4, 5]),
            ("pow2", 6, vec![1, 2, 4, 6]),
            ("pow2", 1, vec![1]),
            ("all", 3, vec![1, 2, 3]),
        ] {
            assert_eq!(core_counts(text, max, "").unwrap(), counts, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "0", "-1", "1e3", "٣", "3..1", "1,,2", "99999", "a"] {
            assert!(core_counts(text, 4, "this machine has 4").is_err(), "{text}");
        }
    }
}
