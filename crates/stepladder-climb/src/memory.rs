//! Whether a rung has any chance to fit in memory, said before it is tried: a process that asks for more memory than there
//! is ends without a word.

use stepladder_model::{Network, OptimizerConfig};

/// The least memory that training takes, in bytes: each parameter as value, gradient, moments of the optimizer and copy of
/// the best epoch; and for each photo of a batch what the layers give, kept for the way back.
pub(crate) fn least_bytes(network: &Network, optimizer: &OptimizerConfig, batch_size: usize) -> u64 {
    let moments = match optimizer {
        OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } | OptimizerConfig::Nadam { .. } => 2,
        OptimizerConfig::Sgd { momentum, .. } => u64::from(*momentum != 0.0),
    };
    let parameters = network.parameter_count().saturating_mul(3 + moments);
    let outputs = network.nodes.iter().map(|node| node.output.count()).sum::<u64>();
    let values = parameters.saturating_add(outputs.saturating_mul(batch_size as u64));
    values.saturating_mul(size_of::<f32>() as u64)
}

/// Memory that this process may still take, in bytes, where Linux says so: what the machine has free, and what a
/// container's limit leaves.
pub(crate) fn free_bytes() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| available(&text));
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let container = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    // Version 2 of control groups, then version 1. Without a limit the first file says "max" or an enormous number.
    let unified = container("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
    let legacy = container(
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    );
    [machine, unified, legacy].into_iter().flatten().min()
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;

    #[test]
    fn the_least_is_counted_as_written() {
        let rung = RungCatalog::shipped().get("baseline").unwrap();
        let network = rung.network(28, 10).unwrap();
        // Keras' MNIST network: 35,370 parameters with three channels, and five copies with Nadam.
        let parameters = 5 * network.parameter_count() * 4;
        let one = least_bytes(&network, &rung.optimizer, 1) - parameters;
        assert_eq!(least_bytes(&network, &rung.optimizer, 32) - parameters, 32 * one);
        // Convolution, pooling, convolution, pooling, flattening, dropout, dense.
        let outputs = 26 * 26 * 32 + 13 * 13 * 32 + 11 * 11 * 64 + 3 * 5 * 5 * 64 + 10;
        assert_eq!(one, 4 * outputs);
    }

    #[test]
    fn linux_says_what_is_available() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:      3 kB\n"), Some(3072));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        if cfg!(target_os = "linux") {
            assert!(free_bytes().is_some());
        }
    }
}
