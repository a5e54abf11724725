//! [`Exporter`] and the one table of them.

use std::io::{self, Write};
use std::path::Path;

use corecurve_analysis::findings::Findings;
use corecurve_core::Problem;

use crate::{csv, html, json, markdown};

/// Turns findings into the bytes of a file.
pub trait Exporter: Sync {
    /// Writes the whole file. The same findings give the same bytes.
    ///
    /// # Errors
    /// Those of `out`.
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()>;
}

/// A file format.
#[derive(Clone, Copy)]
pub struct Format {
    /// File extension, without the dot.
    pub extension: &'static str,
    /// One line for help.
    pub summary: &'static str,
    /// Who writes it.
    pub exporter: &'static dyn Exporter,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Format").field("extension", &self.extension).finish_non_exhaustive()
    }
}

/// Every format. A new one is one file and one line here.
pub static FORMATS: [Format; 5] = [
    Format { extension: "html", summary: "the report: one page, no network", exporter: &html::Html },
    Format { extension: "md", summary: "tables to paste into an issue", exporter: &markdown::Markdown },
    Format { extension: "csv", summary: "one row per cell and SLO", exporter: &csv::Csv },
    Format { extension: "json", summary: "all findings as one JSON document", exporter: &json::Document },
    Format {
        extension: "jsonl",
        summary: "events, one JSON object per line, as --json prints",
        exporter: &json::Events,
    },
];

/// The format for a file, by its extension.
///
/// # Errors
/// An extension that no format has, with the ones there are.
pub fn format_of(file: &Path) -> Result<&'static Format, Problem> {
    let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    FORMATS.iter().find(|format| format.extension == extension).ok_or_else(|| {
        let known = FORMATS.map(|format| format.extension);
        Problem::unknown(
            "report format",
            &extension,
            known,
            "The file's extension says which to write, e.g. `run.html`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_go_by_extension() {
        assert_eq!(format_of(Path::new("a/run.HTML")).unwrap().extension, "html");
        let problem = format_of(Path::new("run.htm")).unwrap_err();
        assert!(problem.to_string().contains("did you mean `html`?"), "{problem}");
        assert!(format_of(Path::new("run")).is_err());
    }
}
