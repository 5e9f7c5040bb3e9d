//! What the control groups of this process leave it of memory (`memory.max`, or `memory.limit_in_bytes` of version 1).

use std::fs;
use std::path::Path;

/// Bytes that the group with the least left may still take; with what Linux would take back from it first, if that is less than
/// `enough`. `None` where there are no groups.
pub fn available_bytes(enough: u64) -> Option<u64> {
    let told = fs::read_to_string("/proc/self/cgroup").ok()?;
    let groups = told.lines().filter_map(Group::parse);
    groups.flat_map(|group| group.left(enough, |path| fs::read_to_string(path).ok())).min()
}

/// A line of `/proc/self/cgroup` that is about memory.
struct Group<'a> {
    root: &'static str,
    path: &'a Path,
    limit: &'static str,
    usage: &'static str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Group<'a>> {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = Path::new(path.trim_start_matches('/'));
        if controllers.is_empty() {
            return Some(Group { root: "/sys/fs/cgroup", path, limit: "memory.max", usage: "memory.current" });
        }
        let (limit, usage) = ("memory.limit_in_bytes", "memory.usage_in_bytes");
        let memory = controllers.split(',').any(|controller| controller == "memory");
        memory.then_some(Group { root: "/sys/fs/cgroup/memory", path, limit, usage })
    }

    /// Of it and of all above it that can be seen. A container sees its own as the root, whatever the path says.
    fn left(&self, enough: u64, read: impl Fn(&Path) -> Option<String>) -> Vec<u64> {
        let left = |group: &Path| {
            let folder = Path::new(self.root).join(group);
            let number = |file| read(&folder.join(file))?.trim().parse::<u64>().ok();
            let (most, now) = (number(self.limit)?, number(self.usage)?);
            // To look at the rest takes Linux milliseconds.
            if let Some(left) = most.checked_sub(now).filter(|left| *left >= enough) {
                return Some(left);
            }
            let stat = read(&folder.join("memory.stat")).unwrap_or_default();
            let of_files = |line: &str| {
                let (name, bytes) = line.split_once(' ')?;
                let is_cache = matches!(name, "active_file" | "inactive_file");
                is_cache.then(|| bytes.parse::<u64>().ok())?
            };
            let cache: u64 = stat.lines().filter_map(of_files).sum();
            Some(most.saturating_add(cache).saturating_sub(now))
        };
        self.path.ancestors().filter_map(left).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_a_group_or_one_above_it_leaves() {
        let files = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/memory.max" => "1000\n",
                "/sys/fs/cgroup/a/b/memory.current" => "900\n",
                "/sys/fs/cgroup/a/b/memory.stat" => "anon 700\nactive_file 30\ninactive_file 20\nfile 150\n",
                "/sys/fs/cgroup/a/memory.max" => "max\n",
                "/sys/fs/cgroup/memory.max" | "/sys/fs/cgroup/memory/x/memory.limit_in_bytes" => "5000",
                "/sys/fs/cgroup/memory.current" | "/sys/fs/cgroup/memory/x/memory.usage_in_bytes" => "6000",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let left_or = |enough, line| Group::parse(line).map(|group| group.left(enough, files));
        let left = |line| left_or(101, line);
        assert_eq!(left_or(100, "0::/a/b"), Some(vec![100, 0]));
        assert_eq!(left("0::/a/b"), Some(vec![150, 0]));
        assert_eq!(left("0::/"), Some(vec![0]));
        assert_eq!(left("4:cpu,memory:/x"), Some(vec![0]));
        assert_eq!(
            (left("4:memory:/y").unwrap().len(), left("5:cpu:/x").is_none(), left("").is_none()),
            (0, true, true)
        );
    }
}
