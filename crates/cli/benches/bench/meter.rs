//! What the processes of a bench have used, as Linux counts it in /proc. Elsewhere everything is 0.

use std::fs;
use std::ops::Sub;

use crate::processes::{Process, Stage};

/// Linux shows times of processes in so many parts of a second, on every platform.
const TICKS: f64 = 100.0;

/// CPU seconds so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub worker: f64,
    pub postgres: f64,
    pub redis: f64,
    /// The sandbox runs in the bench's own process.
    pub sandbox: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            worker: self.worker - before.worker,
            postgres: self.postgres - before.postgres,
            redis: self.redis - before.redis,
            sandbox: self.sandbox - before.sandbox,
        }
    }
}

/// The processes of an installation.
pub struct Meter {
    workers: Vec<u32>,
    /// The PostgreSQL server's first process, if it is on this machine.
    postgres: Option<u32>,
    redis: Option<u32>,
}

impl Meter {
    pub async fn of(stage: &Stage, workers: &[Process]) -> Self {
        let session = stage.scratch.session().await;
        // In a container it has another number here.
        let postgres = u32::try_from(session.process)
            .ok()
            .and_then(Stat::of)
            .map(|stat| stat.parent)
            .filter(|parent| Stat::of(*parent).is_some_and(|stat| stat.name == "postgres"));
        Self {
            workers: workers.iter().map(Process::id).collect(),
            postgres,
            redis: children(std::process::id(), "redis-server").next(),
        }
    }

    pub fn cpu(&self) -> Cpu {
        let own = |pid: u32| Stat::of(pid).map_or(0.0, |stat| stat.own_secs);
        Cpu {
            worker: self.workers.iter().copied().map(own).sum(),
            postgres: self.postgres.map_or(0.0, family_secs),
            redis: self.redis.map_or(0.0, own),
            sandbox: own(std::process::id()),
        }
    }

    /// What a worker holds of the machine's memory now, the largest one in kB.
    pub fn worker_kb(&self) -> u64 {
        let held = self.workers.iter().map(|pid| status_kb(*pid, "VmRSS"));
        held.max().unwrap_or(0)
    }

    /// The same of Redis.
    pub fn redis_kb(&self) -> u64 {
        self.redis.map_or(0, |pid| status_kb(pid, "VmRSS"))
    }

    /// The same of all processes of PostgreSQL, what they share counted once; 0 where the kernel does not tell us.
    pub fn postgres_kb(&self) -> u64 {
        let Some(first) = self.postgres else {
            return 0;
        };
        let all = std::iter::once(first).chain(children(first, "postgres"));
        all.map(|pid| kb_of(&format!("/proc/{pid}/smaps_rollup"), "Pss"))
            .sum()
    }
}

/// A line of a process' status in kB, such as `VmRSS` or `VmHWM`.
pub fn status_kb(pid: u32, line: &str) -> u64 {
    kb_of(&format!("/proc/{pid}/status"), line)
}

fn kb_of(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(':')?
            .split_whitespace()
            .next()
    });
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// CPU seconds of a process, of its children that have ended and of those that live.
fn family_secs(pid: u32) -> f64 {
    let first = Stat::of(pid).map_or(0.0, |stat| stat.own_secs + stat.ended_secs);
    let living = children(pid, "postgres").filter_map(Stat::of);
    first + living.map(|stat| stat.own_secs).sum::<f64>()
}

/// The processes that `parent` has started and that are called so.
fn children(parent: u32, name: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |pid| {
            Stat::of(*pid).is_some_and(|stat| stat.parent == parent && stat.name == name)
        })
}

/// Some of `/proc/{pid}/stat`.
struct Stat {
    name: String,
    parent: u32,
    own_secs: f64,
    /// Of children that have ended and were waited for.
    ended_secs: f64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold any character.
        let (start, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let secs = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS);
        Some(Self {
            name: start.split_once('(')?.1.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            own_secs: secs(11)? + secs(12)?,
            ended_secs: secs(13)? + secs(14)?,
        })
    }
}
