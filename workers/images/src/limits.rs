//! How much a file may claim, and how much a tool may take.

/// Sizes are in bytes, times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest disk that is imported.
    pub virtual_bytes_max: u64,
    /// The largest single table of an upload that is read: a qcow2 L1 table of 4 TiB has 64 KiB, a
    /// VHDX block table of 64 TiB in 32 MiB blocks has 16 MiB.
    pub table_bytes_max: u64,
    /// All that is read of an upload before it is let through.
    pub inspected_bytes_max: u64,
    /// Address space of a tool. qemu-img reserves much more than it touches: 64 threads of its
    /// pool have stacks of 8 MiB.
    pub tool_memory_bytes: u64,
    /// Processor time of a tool, whatever it does,
    pub tool_cpu_seconds: u64,
    /// and for each GiB of the disk that it works on: inflating takes about 10 s.
    pub tool_cpu_seconds_per_gib: u64,
    /// Time that may pass, whatever it does,
    pub tool_wall_seconds: u64,
    /// and for each GiB: at least 8 MiB a second.
    pub tool_wall_seconds_per_gib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            virtual_bytes_max: 16 << 40,
            table_bytes_max: 32 << 20,
            inspected_bytes_max: 128 << 20,
            tool_memory_bytes: 2 << 30,
            tool_cpu_seconds: 60,
            tool_cpu_seconds_per_gib: 30,
            tool_wall_seconds: 300,
            tool_wall_seconds_per_gib: 128,
        }
    }
}

/// The next full GiB.
pub(crate) const fn gib_of(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 30)
}
