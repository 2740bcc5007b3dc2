//! What the store promises when the power fails: a process works on a store, all that it does to the disk is recorded,
//! and for points of that record the disk is put together as it might be after a power cut there. Every such disk must
//! hold what was acknowledged until then.
//!
//! `SELVEDGE_CRASH_POINTS` says how many points are tried, `SELVEDGE_CRASH_SEED` which.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

mod check;
mod child;
mod disk;
mod shim;

use disk::{Disk, Fate, Step, read_journal};
use shim::Shim;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where the child works.
const CHILD: &str = "SELVEDGE_TEST_POWER_LOSS_CHILD";
/// How many points are tried when nobody says.
const POINTS: usize = 150;

/// Not a test by itself: with the variable set, it works on the store there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_works_until_the_power_fails() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let _open = child::work(Path::new(&folder), &std::process::id().to_string()).await;
    std::process::exit(0);
}

/// In memory, where the machine has such a folder: thousands of disks are written.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Two processes work on a store one after the other; what both did to the disk, and the folder with what is there.
fn recorded() -> Option<(Vec<Step>, TempDir)> {
    let outer = folder();
    let data = outer.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let shim = Shim::before(&data)?;
    let journal = outer.path().join("journal");
    for _ in 0..2 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_that_works_until_the_power_fails", "--nocapture"]);
        shim.record(command.env(CHILD, data.canonicalize().unwrap()), &journal);
        assert!(command.output().unwrap().status.success(), "the child failed");
    }
    Some((read_journal(&journal), outer))
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Tries power cuts at `points` of the record; what is wrong after each.
async fn cut_power(steps: &[Step], points: &BTreeSet<usize>, mut disk: Disk, seed: u64, fates: &[Fate]) -> Vec<String> {
    let (mut acknowledged, mut wrong) = (String::new(), Vec::new());
    let mut random = fastrand::Rng::with_seed(seed);
    for (point, step) in steps.iter().enumerate() {
        if points.contains(&point) {
            let fate = fates[random.usize(..fates.len())];
            let image = disk.after_power_cut(fate, &mut random);
            let folder = folder();
            for (name, bytes) in image.iter().filter(|(name, _)| *name != child::ACKNOWLEDGED) {
                std::fs::write(folder.path().join(name), bytes).unwrap();
            }
            let found = check::check(folder.path(), &acknowledged).await;
            wrong.extend(found.into_iter().map(|what| format!("point {point}, {fate:?}: {what}")));
        }
        if let Step::Write { name, bytes, .. } = step
            && name == child::ACKNOWLEDGED
        {
            acknowledged.push_str(std::str::from_utf8(bytes).unwrap());
        }
        disk.apply(step);
    }
    wrong
}

fn choose(steps: usize, count: usize, seed: u64) -> BTreeSet<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.usize(..steps)).take(count).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let Some((steps, outer)) = recorded() else { return };
    nothing_escaped(&steps, &outer.path().join("data"));
    let seed = number("SELVEDGE_CRASH_SEED", fastrand::usize(..)) as u64;
    let points = choose(steps.len(), number("SELVEDGE_CRASH_POINTS", POINTS), seed);
    let fates = [Fate::AllLost, Fate::LastTorn, Fate::Some(10), Fate::Some(50), Fate::Some(90), Fate::AllKept];
    let wrong = cut_power(&steps, &points, Disk::default(), seed, &fates).await;
    eprintln!("{} steps, {} power cuts, {} findings", steps.len(), points.len(), wrong.len());
    assert!(wrong.is_empty(), "SELVEDGE_CRASH_SEED={seed}\n{}", wrong[..wrong.len().min(20)].join("\n"));
    // On a disk whose syncs of the log do nothing, the same must be seen to fail: else nothing was shown.
    let points = choose(steps.len(), 10, seed);
    for fate in [Fate::AllLost, Fate::Some(50)] {
        let wrong = cut_power(&steps, &points, Disk::deaf_to("selvedge.db-wal"), seed, &[fate]).await;
        assert!(wrong.iter().any(|what| what.contains("lost")), "a disk that does not sync was not noticed: {fate:?}");
    }
}

/// The record, played to its end, is what is there: the shim has seen every operation.
fn nothing_escaped(steps: &[Step], data: &Path) {
    let mut disk = Disk::default();
    steps.iter().for_each(|step| disk.apply(step));
    let replayed = disk.after_power_cut(Fate::AllKept, &mut fastrand::Rng::new());
    let mut there: Vec<PathBuf> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    there.retain(|path| !path.to_string_lossy().ends_with("-shm"));
    assert_eq!(there.len(), replayed.len(), "{there:?}");
    for path in there {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(std::fs::read(&path).unwrap() == replayed[name], "{name} is not as recorded");
    }
    let checkpoints = steps.iter().filter(|step| matches!(step, Step::Sync { name } if name == "selvedge.db")).count();
    assert!(checkpoints > 4, "the child did too little: {checkpoints} checkpoints");
}
