//! What `/proc` tells of a process and of the machine.

use std::fs;
use std::time::Duration;

/// `/proc` counts CPU time in hundredths of a second, whatever the kernel's own tick.
const TICKS_PER_SECOND: u64 = 100;

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The part of it that is not a file's: what would be gone with the process.
    pub(crate) anonymous: u64,
    /// Greatest `resident` since the start, or since [`forget_peak`].
    pub(crate) peak: u64,
    pub(crate) threads: u64,
}

pub(crate) fn memory(pid: u32) -> Memory {
    let status = read(&format!("/proc/{pid}/status"));
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Memory {
        resident: number("VmRSS") << 10,
        anonymous: number("RssAnon") << 10,
        peak: number("VmHWM") << 10,
        threads: number("Threads"),
    }
}

/// From now on [`Memory::peak`] is that of what follows.
pub(crate) fn forget_peak(pid: u32) {
    // 5 resets VmHWM, see proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("our own child's peak can be reset");
}

/// CPU time of all threads, those that ended too.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = read(&format!("/proc/{pid}/stat"));
    // The name, in brackets, may hold anything; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    ticks(fields.split_whitespace().skip(11).take(2))
}

/// CPU time of the whole machine that went to somebody.
pub(crate) fn machine_cpu() -> Duration {
    let stat = read("/proc/stat");
    let all = stat.lines().next().unwrap_or_default();
    // cpu user nice system idle iowait irq softirq steal
    let busy = all.split_whitespace().skip(1).take(8).enumerate().filter(|(at, _)| ![3, 4].contains(at));
    ticks(busy.map(|(_, field)| field))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Over a stretch of time: what a process took, and what others took from it.
pub(crate) struct Usage {
    pid: u32,
    process: Duration,
    ours: Duration,
    machine: Duration,
    since: crate::measure::Stopwatch,
}

/// See [`Usage`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) wall: Duration,
    /// Of the process that was watched.
    pub(crate) cpu: Duration,
    /// Of this process.
    pub(crate) ours: Duration,
    /// Cores that neither of the two had.
    pub(crate) other_cores: f64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        let since = crate::measure::Stopwatch::start();
        Self { pid, process: cpu(pid), ours: cpu(std::process::id()), machine: machine_cpu(), since }
    }

    pub(crate) fn so_far(&self) -> Used {
        let wall = self.since.elapsed();
        let process = cpu(self.pid).saturating_sub(self.process);
        let ours = cpu(std::process::id()).saturating_sub(self.ours);
        let machine = machine_cpu().saturating_sub(self.machine);
        let others = machine.saturating_sub(process + ours);
        Used { wall, cpu: process, ours, other_cores: others.as_secs_f64() / wall.as_secs_f64() }
    }
}
