//! Whether other programs are kept off the CPUs that are measured: decided with the plan, and never silently.

use corecurve_core::{CpuSet, Placed, Problem};
use corecurve_machine::{Machine, realtime};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// If it can be had; if not, a caveat says why.
    #[default]
    Auto,
    /// Refused if it cannot be had.
    On,
    /// Others stay where they are.
    Off,
}

/// Reads `--shield`.
///
/// # Errors
/// Unknown words.
pub fn asked(text: Option<&str>) -> Result<Asked, Problem> {
    match text.unwrap_or("auto") {
        "auto" => Ok(Asked::Auto),
        "on" => Ok(Asked::On),
        "off" => Ok(Asked::Off),
        other => Err(Problem::unknown("shield", other, ["auto", "on", "off"], "").at("--shield")),
    }
}

/// Decides for one placement which CPUs are kept clear and whether load goes first, and what must travel with the numbers if
/// none are.
///
/// # Errors
/// A shield that was asked for and cannot be had.
pub fn apply(asked: Asked, machine: &Machine, placed: &mut Placed) -> Result<Option<String>, Problem> {
    placed.load_first = placed.shared && asked != Asked::Off && realtime::refusal().is_none();
    let (clear, caveat) = decide(asked, machine, placed)?;
    placed.clear = clear;
    Ok(caveat)
}

/// The CPUs to keep clear.
fn decide(asked: Asked, machine: &Machine, placed: &Placed) -> Result<(CpuSet, Option<String>), Problem> {
    let open = |why: &str| {
        Ok((CpuSet::default(), Some(format!("shield: other programs may have run on these CPUs, because {why}"))))
    };
    if asked == Asked::Off {
        return open("that was asked for");
    }
    match (machine.clear_for(placed, realtime::refusal), asked) {
        (Ok(clear), _) => Ok((clear, None)),
        // Shared cores have a mark of their own.
        (Err(_), Asked::Auto) if placed.shared => Ok((CpuSet::default(), None)),
        (Err(why), Asked::On) => Err(Problem::new(format!("--shield on cannot be had: {why}")).help(
            "run as root on a kernel of 6.12 or later or leave a core to other programs, or use `--shield auto`",
        )),
        (Err(why), _) => open(&why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_machine::PlacementRequest;

    fn placed(topology: &str, allow_shared: bool) -> (Machine, Placed) {
        let machine = Machine::discover(&topology.parse().unwrap()).unwrap();
        let request = PlacementRequest { server_cores: 1, allow_shared, ..PlacementRequest::default() };
        let placed = machine.place(&request).unwrap();
        (machine, placed)
    }

    #[test]
    fn a_machine_with_a_core_to_spare_is_shielded_unless_asked_not_to_be() {
        let (machine, placed) = placed("core:4 pu:1", false);
        for asked in [Asked::Auto, Asked::On] {
            let (clear, caveat) = decide(asked, &machine, &placed).unwrap();
            assert_eq!((clear.to_string().as_str(), caveat), ("0-1", None));
        }
        let (clear, caveat) = decide(Asked::Off, &machine, &placed).unwrap();
        assert!(clear.is_empty() && caveat.unwrap().contains("asked for"));
    }

    #[test]
    fn where_it_cannot_be_had_auto_goes_without_and_on_refuses() {
        let (machine, placed) = placed("core:1 pu:1", true);
        assert_eq!(decide(Asked::Auto, &machine, &placed).unwrap(), (CpuSet::default(), None));
        let problem = decide(Asked::On, &machine, &placed).unwrap_err().to_string();
        assert!(problem.contains("--shield on") && problem.contains("share cores"), "{problem}");
    }

    #[test]
    fn words_are_read_and_others_refused_with_the_nearest() {
        assert_eq!(
            [None, Some("auto"), Some("on"), Some("off")].map(|text| asked(text).unwrap()),
            [Asked::Auto, Asked::Auto, Asked::On, Asked::Off]
        );
        assert!(asked(Some("offf")).unwrap_err().to_string().contains("off"));
    }
}
