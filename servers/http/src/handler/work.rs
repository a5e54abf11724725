//! `/work`: keeps the CPU busy for exactly the service time of a request id, or with `how=sleep` only its thread.
//!
//! The spin ends when the clock says so, so it needs no calibration constant and a slow machine does not
//! stretch it. The reply tells the planned time, the time really spent and both ends of it on the
//! monotonic clock, so that a harness on the same machine can replay every request through a model queue.

use std::sync::atomic::{AtomicU64, Ordering};

use corecurve_core::{Nanos, Problem, Service, ServiceShape};
use rustix::time::{ClockId, clock_gettime};

use super::query::pairs;
use crate::engine::reply::TEXT;
use crate::engine::{Reply, Status};

/// The largest mean `/work` accepts: 1 s.
pub const MAX_MEAN: Nanos = Nanos::SECOND;
/// The longest single spin, whatever the distribution draws.
const MAX_SPIN: Nanos = Nanos(10_000_000_000);

/// Every `/work` body has this length: the numbers are padded with spaces, which JSON allows.
pub const WORK_BODY_BYTES: usize = 155;

/// Answers `/work?QUERY`. `next_id` counts requests without an id.
pub(super) fn answer(query: &str, next_id: &AtomicU64, reply: &mut Reply<'_>) {
    let start = now();
    let Asked { service, id, sleeps } = match parse(query) {
        Ok(parsed) => parsed,
        Err(problem) => return reply.send(Status::BAD_REQUEST, TEXT, format!("{}\n", problem.one_line()).as_bytes()),
    };
    let id = id.unwrap_or_else(|| next_id.fetch_add(1, Ordering::Relaxed));
    let planned = Nanos(service.time(id).0.min(MAX_SPIN.0));
    let end = if sleeps { sleep_until(start + planned) } else { spin_until(start + planned) };
    let mut body = [0u8; WORK_BODY_BYTES];
    let mut writer = Padded { body: &mut body, at: 0 };
    writer.field("{\"id\":", id);
    writer.field(",\"planned_ns\":", planned.0);
    writer.field(",\"spun_ns\":", (end - start).0);
    writer.field(",\"start_ns\":", start.0);
    writer.field(",\"end_ns\":", end.0);
    writer.text("}\n");
    // The next pipelined request must not delay this reply.
    reply.urgent();
    reply.send(Status::OK, "application/json", &body);
}

/// What a query asks for.
#[derive(Debug)]
struct Asked {
    service: Service,
    /// The id, if one is given.
    id: Option<u64>,
    /// Whether the thread sleeps instead of spinning.
    sleeps: bool,
}

fn parse(query: &str) -> Result<Asked, Problem> {
    let mut service = Service { shape: ServiceShape::Exp, mean: Nanos(200_000), seed: 1 };
    let (mut id, mut sleeps) = (None, false);
    for (name, value) in pairs(query) {
        match name {
            "dist" => service.shape = value.parse::<ServiceShape>()?,
            "mean" => service.mean = value.parse::<Nanos>()?,
            "seed" => service.seed = number(name, value)?,
            "id" => id = Some(number(name, value)?),
            "how" if value == "spin" => sleeps = false,
            "how" if value == "sleep" => sleeps = true,
            "how" => return Err(Problem::unknown("way", value, ["spin", "sleep"], "")),
            _ => return Err(Problem::unknown("parameter", name, ["dist", "mean", "seed", "id", "how"], "")),
        }
    }
    if service.mean > MAX_MEAN {
        return Err(Problem::new(format!("mean {} is too long", service.mean)).help("the mean is at most 1s"));
    }
    Ok(Asked { service, id, sleeps })
}

fn number(name: &str, value: &str) -> Result<u64, Problem> {
    let is_number = value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| is_number).ok_or_else(|| {
        Problem::new(format!("{name}: `{}` is no whole number", corecurve_core::problem::printable(value)))
            .help("write a number from 0 to 18446744073709551615")
    })
}

/// The monotonic clock: the same one for every process of the machine.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Keeps the CPU busy; when it stopped.
pub(crate) fn spin_until(deadline: Nanos) -> Nanos {
    loop {
        let time = now();
        if time >= deadline {
            return time;
        }
    }
}

/// Blocks the thread and leaves its CPU to others.
pub(crate) fn sleep_until(deadline: Nanos) -> Nanos {
    loop {
        let time = now();
        if time >= deadline {
            return time;
        }
        std::thread::sleep((deadline - time).into());
    }
}

/// Writes labels and numbers 20 characters wide, filled from the left with spaces.
struct Padded<'a> {
    body: &'a mut [u8],
    at: usize,
}

impl Padded<'_> {
    fn text(&mut self, text: &str) {
        self.body[self.at..][..text.len()].copy_from_slice(text.as_bytes());
        self.at += text.len();
    }

    fn field(&mut self, label: &str, mut number: u64) {
        self.text(label);
        let place = &mut self.body[self.at..][..20];
        place.fill(b' ');
        for digit in place.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.at += 20;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_faults_named() {
        let Asked { service, id, sleeps } = parse("dist=bimodal&mean=50us&seed=9&id=3").unwrap();
        assert_eq!((service.shape, service.mean, service.seed, id), (ServiceShape::Bimodal, Nanos(50_000), 9, Some(3)));
        assert!(parse("").unwrap().id.is_none() && !sleeps && parse("how=sleep").unwrap().sleeps);
        for (query, token) in [
            ("dist=exponential", "exponential"),
            ("mean=5", "`5`"),
            ("mean=2s", "2.00 s"),
            ("seed=-1", "-1"),
            ("id=+1", "+1"),
            ("id=18446744073709551616", "18446744073709551616"),
            ("men=5us", "mean"),
            ("how=sleeping", "sleep"),
            ("id", "``"),
        ] {
            let problem = parse(query).unwrap_err().one_line();
            assert!(problem.contains(token), "{query}: {problem}");
        }
    }
}
