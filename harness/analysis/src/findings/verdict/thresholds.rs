//! Every threshold of the rules. They are engineering defaults, not constants of nature: `corecurve validate verdicts`
//! injects each fault and prints how often the rules name it.

/// A worker, or one core beside others, at least so busy is full.
pub const FULL: f64 = 0.95;
/// Cores below this have time to spare when pushed beyond the MAT; from it on they do not.
pub const FREE: f64 = 0.9;
/// At the MAT itself cores are less busy, since the limit of latency is reached below the last per cent. From this on they are what
/// stops the server, below it the queue is.
pub const NEARLY_FULL: f64 = 0.8;
/// Mean over busiest below this is imbalance, above `EVEN` it is none.
pub const UNEVEN: f64 = 0.85;
/// See [`UNEVEN`].
pub const EVEN: f64 = 0.9;
/// Other programs may take this share of the server's cores.
pub const FOREIGN: f64 = 0.03;
/// Share of the trials near the answer struck out for one reason that makes that reason the answer.
pub const STRUCK: f64 = 0.5;
/// Requests served at once, by Little's law at the highest rate, as a share of those in the system: below, somebody waits
/// outside.
pub const ADMITTED: f64 = 0.9;
/// A link carries at most this share of its rate as payload before it is full.
pub const LINK: f64 = 0.9;
/// Share of the accept queue's limit.
pub const ACCEPT_QUEUE: f64 = 0.5;
/// Waiting for a CPU, as a share of the latency limit.
pub const RUN_DELAY: f64 = 0.1;
/// From being woken to running, 99th percentile, as a share of the latency limit.
pub const WAKEUP: f64 = 0.2;
/// Share of the window in which a quota stopped the target.
pub const QUOTA: f64 = 0.02;
/// Waiting for locks, as a share of the CPU time of a request …
pub const LOCK_WAIT: f64 = 0.1;
/// … and how much more than with fewer cores …
pub const LOCK_GROWTH: f64 = 2.0;
/// … or samples inside the kernel's spinning locks.
pub const SPINNING: f64 = 0.05;
/// Share of a request's CPU time spent in the kernel.
pub const KERNEL: f64 = 0.6;
/// System calls per request above which they are the reason.
pub const SYSCALLS: f64 = 4.0;
/// New connections per request above which setting them up is the reason.
pub const SETUP: f64 = 0.5;
/// Bytes per request above which copying is the reason.
pub const COPY_BYTES: f64 = 16_384.0;
/// CPU time per request may grow so much with the cores.
pub const GROWTH: f64 = 1.1;
/// Cycles per instruction that grow so much are memory's.
pub const CPI_GROWTH: f64 = 1.1;
/// How near theory must come to the utilisation at the MAT.
pub const THEORY: f64 = 0.1;
/// A trial beyond the MAT is one offered at least this much more.
pub const BEYOND: f64 = 1.03;
