//! Which transport load goes through: decided with the plan, once for all cells, and never silently.

use corecurve_core::{Problem, TransportKind};

/// A decision, and what must be said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What load goes through.
    pub transport: TransportKind,
    /// Why it is not the cheapest there is, if that was left to us and cannot be had.
    pub caveat: Option<String>,
}

/// Decides. `asked`: as typed, `auto` if nothing was. `refusal`: why the kernel gives no io_uring, if it does not; it is asked
/// only if it matters.
///
/// # Errors
/// Unknown names, and an io_uring that was asked for by name and cannot be had.
pub fn decide(asked: Option<&str>, refusal: impl FnOnce() -> Option<String>) -> Result<Decision, Problem> {
    let asked = TransportKind::asked(asked.unwrap_or("auto")).map_err(|problem| problem.at("--transport"))?;
    if asked == Some(TransportKind::Epoll) {
        return Ok(Decision::default());
    }
    match (refusal(), asked) {
        (None, _) => Ok(Decision { transport: TransportKind::IoUring, caveat: None }),
        (Some(why), None) => Ok(Decision {
            transport: TransportKind::Epoll,
            caveat: Some(format!("transport: load went through epoll, which costs the client more, because {why}")),
        }),
        (Some(why), Some(_)) => Err(Problem::new(format!("--transport io_uring cannot be had: {why}"))
            .help("use `--transport auto`, which takes epoll then and says so, or `--transport epoll`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden() -> Option<String> {
        Some("it is forbidden here".to_owned())
    }

    #[test]
    fn auto_takes_io_uring_where_it_may_and_says_so_where_it_may_not() {
        for asked in [None, Some("auto")] {
            let decision = decide(asked, || None).unwrap();
            assert_eq!(decision, Decision { transport: TransportKind::IoUring, caveat: None });
            let decision = decide(asked, forbidden).unwrap();
            assert_eq!(decision.transport, TransportKind::Epoll);
            assert!(decision.caveat.unwrap().contains("it is forbidden here"));
        }
    }

    #[test]
    fn what_is_asked_for_by_name_is_had_or_refused() {
        assert_eq!(decide(Some("io_uring"), || None).unwrap().transport, TransportKind::IoUring);
        let problem = decide(Some("io_uring"), forbidden).unwrap_err();
        assert!(problem.seen.contains("it is forbidden here") && problem.help.unwrap().contains("auto"));
        let epoll = decide(Some("epoll"), || panic!("nothing is asked of the kernel")).unwrap();
        assert_eq!(epoll, Decision::default());
        assert!(decide(Some("kqueue"), || None).unwrap_err().to_string().contains("--transport"));
    }
}
