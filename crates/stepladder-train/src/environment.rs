//! What can be known of the machine: processor, memory held.

use std::time::{SystemTime, UNIX_EPOCH};
use stepladder_nn::{Device, Precision};
use stepladder_run::Environment;

/// Describes this machine and the run's choices on it.
pub(crate) fn describe(device: Device, precision: Precision, threads: usize) -> Environment {
    Environment {
        stepladder: env!("CARGO_PKG_VERSION").to_string(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: cpu_name(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        threads,
        device: device.to_string(),
        instruction_set: device.instruction_set().map(str::to_string),
        precision: precision.to_string(),
        started: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    }
}

/// The processor's name as Linux gives it.
fn cpu_name() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// The most memory that this process has held so far, in bytes: Linux' `VmHWM`. `None` on other systems.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// The memory that this process holds now, in bytes: Linux' `VmRSS`. `None` on other systems.
pub(crate) fn held_memory_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_says_how_much_memory_was_held() {
        assert!(peak_memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
