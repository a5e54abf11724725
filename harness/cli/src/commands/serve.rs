//! `corecurve serve`: one server, pinned, to poke with curl. The harness starts its own servers the same way.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use corecurve_core::problem::printable;
use corecurve_core::{CpuSet, PlacementKind, Problem, Problems, Seat};
use corecurve_machine::{Machine, PlacementRequest, TopologySource};
use corecurve_servers::{COPY_WORD, Launcher, ServeConfig, Stop, registry};

use crate::args::ServeArgs;
use crate::exit::{Exit, Failure};
use crate::spec_args::{pairs, value, whole_number};

/// Serves until told to stop.
pub fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let config = config(args).map_err(Failure::wrong_use)?;
    let stop = Stop::on_signals()?;
    if args.until_stdin_ends {
        let stop = stop.clone();
        std::thread::spawn(move || {
            wait_for_end_of_stdin();
            stop.ask();
        });
    }
    corecurve_servers::serve(&config, &stop, |ready| {
        println!("{}", serde_json::to_string(ready).unwrap_or_default());
        // Whoever waits for the line reads a pipe, which is not flushed by itself.
        let _ = std::io::stdout().flush();
    })?;
    Ok(Exit::Done)
}

fn config(args: &ServeArgs) -> Result<ServeConfig, Problems> {
    let mut problems = Problems::default();
    problems.take(registry::find(&args.target));
    let port = problems.take(port(&args.port)).unwrap_or(0);
    let listen: Option<IpAddr> = problems.take(args.listen.parse().map_err(|_| {
        Problem::new(format!("--listen: `{}` is not an IP address", printable(&args.listen)))
            .help("e.g. `127.0.0.1` or `::1`")
    }));
    let mut settings = pairs(&args.set, "set", &mut problems);
    settings.extend(args.copies.iter().map(|copies| ("copies".to_owned(), copies.clone())));
    settings.extend(args.procs.then(|| ("procs".to_owned(), "true".to_owned())));
    let seats = problems.take(seats(args)).unwrap_or_default();
    if let Some(root) = args.root.as_deref().filter(|root| !root.is_dir()) {
        problems.0.push(
            Problem::new(format!("--root: `{}` is not a directory", printable(&root.to_string_lossy())))
                .help("name the directory whose files should be served"),
        );
    }
    let listen = listen.unwrap_or(IpAddr::from([127, 0, 0, 1]));
    if !listen.is_loopback() && !args.allow_remote {
        problems.0.push(
            Problem::new(format!("--listen: {listen} can be reached from other machines"))
                .help("servers bind to loopback; add --allow-remote if you mean it"),
        );
    }
    let mut config = ServeConfig::new(&args.target, []);
    config.addr = SocketAddr::new(listen, port);
    config.seats = seats;
    config.settings = settings;
    config.root = args.root.clone();
    config.allow_remote = args.allow_remote;
    config.launcher =
        std::env::current_exe().ok().map(|program| Launcher { program, args: vec![COPY_WORD.to_owned()] });
    problems.take(registry::check(&config));
    crate::plan::dedup_problems(&mut problems);
    problems.finish(config)
}

fn port(text: &str) -> Result<u16, Problem> {
    let number = whole_number(text, "port")?;
    u16::try_from(number).map_err(|_| {
        Problem::new(format!("--port: {number} is no port")).help("give a number from 0 (any free port) to 65535")
    })
}

/// One worker per named CPU, or per core that a compact placement would take.
fn seats(args: &ServeArgs) -> Result<Vec<Seat>, Problem> {
    let machine = Machine::discover(&TopologySource::Live)?;
    let cpus: Option<CpuSet> = args.server_cpus.as_deref().map(|text| value(text, "server-cpus")).transpose()?;
    let cores = args.cores.as_deref().map(|text| whole_number(text, "cores")).transpose()?;
    let kind = if cpus.is_some() { PlacementKind::Explicit } else { PlacementKind::Compact };
    let all = cpus.as_ref().map_or_else(|| machine.usable_cores(), CpuSet::len);
    let request = PlacementRequest {
        kind,
        server_cores: cores.map_or(all, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        load_cores: None,
        load_cpus: cpus.clone(),
        server_cpus: cpus,
        // Nothing loads this server from here, so all cores are its own.
        allow_shared: true,
    };
    Ok(machine.place(&request)?.server)
}

fn wait_for_end_of_stdin() {
    let mut bytes = [0; 64];
    while matches!(std::io::stdin().read(&mut bytes), Ok(n) if n > 0) {}
}
