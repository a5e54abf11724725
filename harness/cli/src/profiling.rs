//! Whether the target is profiled: what was asked, and what follows.

use corecurve_core::Problem;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Wherever there is a search and time for it.
    #[default]
    Auto,
    /// Everywhere.
    On,
    /// Nowhere.
    Off,
}

impl Asked {
    /// Whether targets are profiled; `brief` for a run that wants to be short.
    pub fn decide(self, brief: bool) -> bool {
        self == Asked::On || (self == Asked::Auto && !brief)
    }
}

/// Reads `--profile`.
///
/// # Errors
/// Unknown words.
pub fn asked(text: Option<&str>) -> Result<Asked, Problem> {
    match text.unwrap_or("auto") {
        "auto" => Ok(Asked::Auto),
        "on" => Ok(Asked::On),
        "off" => Ok(Asked::Off),
        other => Err(Problem::unknown("profile", other, ["auto", "on", "off"], "").at("--profile")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_others_refused() {
        assert!(asked(None).unwrap().decide(false) && !asked(Some("auto")).unwrap().decide(true));
        assert!(asked(Some("on")).unwrap().decide(true) && !asked(Some("off")).unwrap().decide(false));
        assert!(asked(Some("yes")).unwrap_err().to_string().contains("--profile"));
    }
}
