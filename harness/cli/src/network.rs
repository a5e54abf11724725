//! What lies between load and server: decided with the plan, once for all cells, and never silently.

use corecurve_core::{BitRate, Network, NetworkKind, Problem};

/// Decides. `asked` and `cap` are as typed. `refusal`: what stands in the way of namespaces, if something does; it is asked only
/// if they are wanted.
///
/// # Errors
/// Names and bandwidths that are none, a bandwidth for loopback, and namespaces that cannot be had.
pub fn decide(
    asked: Option<&str>,
    cap: Option<&str>,
    refusal: impl FnOnce(Option<BitRate>) -> Option<Problem>,
) -> Result<Network, Problem> {
    let kind =
        asked.map_or(Ok(NetworkKind::default()), str::parse).map_err(|problem: Problem| problem.at("--network"))?;
    let cap = cap.map(str::parse::<BitRate>).transpose().map_err(|problem| problem.at("--network-cap"))?;
    match (kind, cap) {
        (NetworkKind::Loopback, Some(_)) => {
            Err(Problem::new("--network-cap: loopback has no bandwidth to cap").help("add `--network netns`"))
        }
        (NetworkKind::Loopback, None) => Ok(Network::default()),
        (NetworkKind::Netns, cap) => match refusal(cap) {
            None => Ok(Network { kind, cap }),
            Some(problem) => Err(problem.at("--network netns cannot be had")),
        },
    }
}

/// Whether a target can be put into a namespace: one that runs already cannot.
///
/// # Errors
/// Names it.
pub fn check(target: &str, network: Network) -> Result<(), Problem> {
    match network.kind == NetworkKind::Netns && target.starts_with("url:") {
        true => Err(Problem::new(format!(
            "--network netns: `{}` runs already, outside of any namespace of ours",
            corecurve_core::problem::printable(target)
        ))
        .help("use `--network loopback`, or `exec:FILE.toml` for a server that should be started")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(_: Option<BitRate>) -> Option<Problem> {
        Some(Problem::new("no namespace: Operation not permitted").help("run as root"))
    }

    #[test]
    fn namespaces_are_had_or_refused_and_never_replaced() {
        let netns = decide(Some("netns"), Some("1gbit"), |_| None).unwrap();
        assert_eq!(netns, Network { kind: NetworkKind::Netns, cap: Some(BitRate(1_000_000_000)) });
        let problem = decide(Some("netns"), None, forbidden).unwrap_err().to_string();
        for word in ["--network netns", "not permitted", "run as root"] {
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn loopback_asks_for_nothing_and_has_no_cap() {
        for asked in [None, Some("loopback")] {
            assert_eq!(decide(asked, None, |_| panic!("nothing is asked of the kernel")).unwrap(), Network::default());
            let problem = decide(asked, Some("1gbit"), forbidden).unwrap_err();
            assert!(problem.seen.contains("--network-cap") && problem.help.unwrap().contains("netns"));
        }
        assert!(decide(Some("veth"), None, forbidden).unwrap_err().to_string().contains("--network"));
        assert!(decide(Some("netns"), Some("fast"), forbidden).unwrap_err().to_string().contains("--network-cap"));
    }

    #[test]
    fn what_runs_already_stays_where_it_is() {
        let netns = Network { kind: NetworkKind::Netns, cap: None };
        assert!(check("url:http://127.0.0.1:80/", netns).is_err());
        assert!(check("url:http://127.0.0.1:80/", Network::default()).is_ok());
        assert!(check("nginx", netns).is_ok());
    }
}
