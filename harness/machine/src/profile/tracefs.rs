//! The kernel's tracepoints: their numbers and where a field lies in what they write.

use std::path::Path;

use crate::procfs::read_text;

/// Where tracefs is mounted.
const ROOTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// One tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TracePoint {
    /// What the kernel calls it by.
    pub id: u64,
    /// Offset of the field asked for, bytes.
    pub offset: usize,
}

/// Finds `event` (`group/name`) and the offset of its field `field`.
///
/// # Errors
/// The reason: no tracefs, not allowed to read it, or a kernel without this tracepoint.
pub(super) fn find(event: &str, field: &str) -> Result<TracePoint, String> {
    let root = ROOTS.into_iter().find(|root| Path::new(root).join("events").exists()).unwrap_or(ROOTS[0]);
    let directory = Path::new(root).join("events").join(event);
    let id = read_text(directory.join("id"))?;
    let id = id.trim().parse().map_err(|_| format!("{}/id is no number", directory.display()))?;
    let format = read_text(directory.join("format"))?;
    let offset = offset_of(&format, field).ok_or_else(|| format!("{event} has no field `{field}` on this kernel"))?;
    Ok(TracePoint { id, offset })
}

/// From lines like `field:u32 op; offset:24; size:8; signed:0;`.
fn offset_of(format: &str, field: &str) -> Option<usize> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().strip_prefix("field:")?.split(';').map(str::trim);
        let declared = parts.next()?.split('[').next()?;
        let name = declared.rsplit([' ', '*']).next()?;
        let offset = parts.find_map(|part| part.strip_prefix("offset:"))?;
        if name == field { offset.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let format = "name: x\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
            \tfield:void * lock_addr;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;\n\
            \tfield:unsigned long args[6];\toffset:32;\tsize:48;\tsigned:0;\n";
        let found: Vec<Option<usize>> =
            ["common_pid", "lock_addr", "comm", "args", "pid"].map(|name| offset_of(format, name)).into();
        assert_eq!(found, [Some(4), Some(8), Some(16), Some(32), None]);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let why = find("sched/no_such_event", "pid").unwrap_err();
        assert!(why.contains("no_such_event"), "{why}");
    }
}
