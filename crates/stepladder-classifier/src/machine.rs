//! How much memory this process may still take: what the machine has free, what control groups (versions 1 and 2, each level) leave,
//! and the limit of the address space. Linux says all three; other systems say nothing.

use std::path::{Path, PathBuf};

/// Bytes that this process may still take; `None` where the system does not say.
pub fn free_bytes() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemAvailable:"));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let groups = group_folders(&groups, Path::new("/sys/fs/cgroup"));
    let groups = groups.iter().filter_map(|folder| left_in(folder));
    let limits = read("/proc/self/limits").and_then(|text| address_space(&text));
    let status = read("/proc/self/status").unwrap_or_default();
    let used = kibibytes(&status, "VmSize:").unwrap_or(0);
    let space = limits.map(|limit| limit.saturating_sub(used));
    machine.into_iter().chain(space).chain(groups).min()
}

/// The value of a line like `MemAvailable: 12 kB`, in bytes.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// The soft limit of the address space in `/proc/self/limits`, in bytes; `None` where there is none.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The folders of this process's memory groups and of all above them, from the lines of `/proc/self/cgroup`.
fn group_folders(lines: &str, root: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let base = match controllers {
            "" => root.to_path_buf(),
            of if of.split(',').any(|name| name == "memory") => root.join("memory"),
            _ => continue,
        };
        let mut folder = base.join(path.trim_start_matches('/'));
        loop {
            folders.push(folder.clone());
            // A container sees its own group as the root, whatever the path says.
            if folder == base || !folder.pop() {
                break;
            }
        }
    }
    folders.sort();
    folders.dedup();
    folders
}

/// What a group's limit leaves; `None` where it has none, or the folder is not there.
fn left_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // Version 2, then version 1. Without a limit the first file says "max" or an enormous number.
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    // What files have cached goes when it is needed.
    let cached = read("memory.stat").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("inactive_file "));
        line?.trim().parse::<u64>().ok()
    });
    Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_followed_up_to_the_root() {
        let root = Path::new("/sys/fs/cgroup");
        let unified = group_folders("0::/user.slice/run-7.scope\n", root);
        let expected = [
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/user.slice",
            "/sys/fs/cgroup/user.slice/run-7.scope",
        ];
        assert_eq!(unified, expected.map(PathBuf::from));
        let legacy = group_folders("9:cpu,cpuacct:/a\n4:memory:/docker/x\n", root);
        assert_eq!(legacy.len(), 3);
        assert!(legacy.contains(&PathBuf::from("/sys/fs/cgroup/memory/docker/x")));
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "300\n");
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(left_in(folder.path()), Some(700));
        write("memory.stat", "anon 5\ninactive_file 100\n");
        assert_eq!(left_in(folder.path()), Some(800));
    }

    #[test]
    fn lines_are_read_in_kibibytes_and_limits_in_bytes() {
        assert_eq!(
            kibibytes("MemTotal: 9 kB\nMemAvailable:      3 kB\n", "MemAvailable:"),
            Some(3072)
        );
        assert_eq!(kibibytes("MemTotal: 9 kB\n", "MemAvailable:"), None);
        let limits = "Limit Soft Hard Units\nMax address space 4294967296 unlimited bytes\n";
        assert_eq!(address_space(limits), Some(4_294_967_296));
        assert_eq!(
            address_space("Max address space unlimited unlimited bytes\n"),
            None
        );
        if cfg!(target_os = "linux") {
            assert!(free_bytes().is_some());
        }
    }
}
