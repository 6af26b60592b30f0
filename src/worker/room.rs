//! Measures the free memory and disk space of this machine. Pages and commands show them.

use std::fs;
use std::path::Path;

use crate::model::Room;

/// Measures both. A value that cannot be determined is 0.
pub(super) fn look(data: &Path) -> Room {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (memory_bytes, memory_free_bytes) = memory_of(&memory);
    let disk = rustix::fs::statvfs(data);
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    let disk =
        disk.map(|disk| (bytes(disk.f_blocks, disk.f_frsize), bytes(disk.f_bavail, disk.f_frsize)));
    let (disk_bytes, disk_free_bytes) = disk.unwrap_or_default();
    Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes }
}

/// Returns total and available memory from the contents of /proc/meminfo.
fn memory_of(said: &str) -> (u64, u64) {
    let kib = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let bytes = |name| kib(name).unwrap_or(0).saturating_mul(1024);
    (bytes("MemTotal:"), bytes("MemAvailable:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_meminfo() {
        let said = "MemTotal:       24689660 kB\nMemFree:  1 kB\nMemAvailable:   21002332 kB\n";
        assert_eq!(memory_of(said), (24_689_660 << 10, 21_002_332 << 10));
        assert_eq!(memory_of("nonsense"), (0, 0));
    }

    #[test]
    fn this_machine_has_memory_and_disk() {
        let room = look(Path::new("/"));
        assert!(room.memory_free_bytes > 0 && room.memory_free_bytes <= room.memory_bytes);
        assert!(room.disk_free_bytes <= room.disk_bytes && room.disk_bytes > 0, "{room:?}");
        assert_eq!(look(Path::new("/nowhere")).disk_bytes, 0);
    }
}
