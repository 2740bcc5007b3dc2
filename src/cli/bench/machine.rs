//! Where it was measured, and what a process and the machine did meanwhile. Linux tells; elsewhere it is unknown.

use serde_json::{Value, json};
use std::time::Duration;

/// The machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory: String,
    pub(super) system: String,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// This one.
    pub(super) fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, name: &str, sign: char| {
            let mut lines = text.lines().filter(|line| line.starts_with(name));
            lines.find_map(|line| Some(line.split_once(sign)?.1.trim().to_owned()))
        };
        let memory = line(&read("/proc/meminfo"), "MemTotal", ':');
        let kib: Option<u64> = memory.and_then(|memory| memory.split(' ').next()?.parse().ok());
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            processor: line(&read("/proc/cpuinfo"), "model name", ':')
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kib.map_or_else(|| UNKNOWN.to_owned(), |kib| format!("{} MiB", kib / 1024)),
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
        }
    }

    /// In one line, for people.
    pub(super) fn line(&self) -> String {
        let Self { processor, cores, memory, system } = self;
        format!("{processor}, {cores} cores, {memory}, {system}")
    }

    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        json!({ "processor": self.processor, "cores": self.cores, "memory": self.memory, "system": self.system })
    }
}

/// CPU time, in ticks, that the machine's cores have spent so far: all of it, and what a hypervisor gave to others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    all: u64,
    stolen: u64,
}

impl Spent {
    /// Until now; `None`: unknown.
    pub(super) fn until_now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal
        let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        Some(Self { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    /// The stolen share since `earlier`, in percent.
    pub(super) fn stolen_since(self, earlier: Self) -> u64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        self.stolen.saturating_sub(earlier.stolen) * 100 / all
    }
}

/// The CPU time that a process has taken so far; `None`: unknown.
pub(super) fn cpu(process: u32) -> Option<Duration> {
    used(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?, ticks_per_second())
}

fn used(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    // A command's name may hold anything: what counts stands behind its last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let ticks = next()? + next()?;
    Some(Duration::from_millis(ticks * 1_000 / ticks_per_second.max(1)))
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(not(target_os = "linux"))]
fn ticks_per_second() -> u64 {
    100
}

/// The CPU time of the calling thread: the generator's.
pub(super) fn own_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.try_into().unwrap_or(0), spent.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_used_is_behind_its_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!(used(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(used("42 a", 100), None);
    }

    #[test]
    fn stolen_time_is_a_share() {
        let early = Spent::parse("cpu  100 0 100 700 0 0 0 100 0 0\ncpu0 1").unwrap();
        let later = Spent::parse("cpu  150 0 100 720 0 0 0 130 0 0\n").unwrap();
        assert_eq!(later.stolen_since(early), 30);
        assert_eq!(later.stolen_since(later), 0);
        assert!(Spent::parse("").is_none());
    }
}
