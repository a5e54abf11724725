//! The machine in headline fields, read from `machine.json`.

use serde_json::Value;

use super::types::MachineSummary;

/// What `machine.json` states of the headline fields; a fact that the machine could not tell is `None`.
pub(super) fn machine_summary(record: &Value) -> MachineSummary {
    let fact = |key: &str| record.get("environment").and_then(|environment| environment.get(key));
    let text = |key: &str| fact(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| fact(key).and_then(Value::as_u64);
    MachineSummary {
        cpu: text("cpu_model"),
        cores: number("cores"),
        hardware_threads: number("cpus"),
        numa_nodes: number("nodes"),
        kernel: text("kernel"),
        governor: text("governor"),
        hypervisor: text("hypervisor").filter(|name| name != "none"),
    }
}
