//! What another process costs, read from the kernel's process files (Linux).

use std::fs::File;
use std::io::{self, Read as _};

/// Processor time and memory of a process and its children at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// User and system time so far, in microseconds; the kernel counts in steps of 10,000.
    pub cpu_us: u64,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Open file descriptors of the process itself.
    pub descriptors: u64,
}

/// Kernel files are short; one that is not is cut.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The kernel counts processor time in hundredths of a second on every Linux that we run on.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// The cost of process `pid` and all its descendants.
///
/// # Errors
/// When the process does not exist or its files cannot be read.
pub fn cost(pid: u32) -> io::Result<Cost> {
    let mut cost = one(pid)?;
    cost.descriptors = count(std::fs::read_dir(format!("/proc/{pid}/fd"))?);
    let parents = parents()?;
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        at = at.saturating_add(1);
        for (child, of) in &parents {
            if *of == parent && !family.contains(child) {
                family.push(*child);
                // A child that ended meanwhile costs nothing more.
                if let Ok(more) = one(*child) {
                    cost.cpu_us = cost.cpu_us.saturating_add(more.cpu_us);
                    cost.rss_kib = cost.rss_kib.saturating_add(more.rss_kib);
                }
            }
        }
    }
    Ok(cost)
}

fn one(pid: u32) -> io::Result<Cost> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let ticks = field(&stat, 11).saturating_add(field(&stat, 12));
    let status = read(&format!("/proc/{pid}/status"))?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    Ok(Cost {
        cpu_us: ticks.saturating_mul(MICROSECONDS_PER_TICK),
        rss_kib: rss.unwrap_or(0),
        descriptors: 0,
    })
}

/// Every process with its parent.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    let mut list = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        if let Ok(stat) = read(&format!("/proc/{pid}/stat"))
            && let Ok(parent) = u32::try_from(field(&stat, 1))
        {
            list.push((pid, parent));
        }
    }
    Ok(list)
}

/// The `at`th field after the command's name, which is in parentheses and may hold anything.
fn field(stat: &str, at: usize) -> u64 {
    stat.rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(at)?.parse().ok())
        .unwrap_or(0)
}

fn count(entries: std::fs::ReadDir) -> u64 {
    u64::try_from(entries.count()).unwrap_or(u64::MAX)
}

fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{cost, field};

    #[test]
    fn own_cost_is_plausible() {
        let own = cost(std::process::id()).unwrap();
        assert!(own.rss_kib > 500, "{own:?}");
        assert!(own.descriptors >= 3, "{own:?}");
    }

    #[test]
    fn a_process_that_is_not_is_an_error() {
        assert!(cost(u32::MAX - 1).is_err());
    }

    #[test]
    fn names_with_parentheses_and_spaces_do_not_shift_fields() {
        let stat = "12 (a) b) S 7 12 12 0 -1 4194560 100 0 0 0 33 44 0 0";
        assert_eq!([field(stat, 1), field(stat, 11), field(stat, 12)], [7, 33, 44]);
    }
}
