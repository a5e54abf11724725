//! Serves until SIGTERM: `serve ARCHITECTURE PORT CPU[,CPU…] [key=value…]`.
//! For trying an architecture without the harness; `corecurve serve` is the same with help and checks.
use corecurve_core::{CpuSet, Problem};
use corecurve_servers::{ServeConfig, Stop, serve};

fn main() -> Result<(), Problem> {
    let mut args = std::env::args().skip(1);
    let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let architecture = next("thread-per-core");
    let port = next("0").parse().map_err(|_| Problem::new("the second argument is a port"))?;
    let cpus: CpuSet = next("0").parse()?;
    let mut config = ServeConfig::new(&architecture, cpus.iter());
    config.addr.set_port(port);
    config.settings = args.filter_map(|arg| arg.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    let stats = serve(&config, &Stop::on_signals()?, |ready| {
        eprintln!("{}", serde_json::to_string(ready).unwrap_or_default());
    })?;
    eprintln!("{}", serde_json::to_string(&stats).unwrap_or_default());
    Ok(())
}
