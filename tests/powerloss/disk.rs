//! A disk, replayed from what the shim recorded: what of it would be there had the power failed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// One operation on the disk.
pub(crate) enum Step {
    Create { name: String },
    Write { name: String, at: usize, bytes: Vec<u8> },
    Cut { name: String, length: usize },
    Sync { name: String },
    Unlink { name: String },
    Rename { name: String, to: String },
}

/// Reads what the shim recorded.
pub(crate) fn read_journal(path: &Path) -> Vec<Step> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut steps) = (bytes.as_slice(), Vec::new());
    while let [kind, name_length, after @ ..] = rest {
        let (name, after) = after.split_at(usize::from(*name_length));
        let (at, after) = after.split_first_chunk::<8>().unwrap();
        let (length, after) = after.split_first_chunk::<4>().unwrap();
        let (bytes, after) = after.split_at(u32::from_ne_bytes(*length) as usize);
        let (name, at) = (String::from_utf8(name.to_vec()).unwrap(), u64::from_ne_bytes(*at) as usize);
        steps.push(match kind {
            b'C' => Step::Create { name },
            b'W' => Step::Write { name, at, bytes: bytes.to_vec() },
            b'T' => Step::Cut { name, length: at },
            b'S' => Step::Sync { name },
            b'U' => Step::Unlink { name },
            b'R' => Step::Rename { name, to: String::from_utf8(bytes.to_vec()).unwrap() },
            other => panic!("an unknown kind of record: {other}"),
        });
        rest = after;
    }
    steps
}

/// What of the operations that were not synced is on the disk when the power fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Everything, as when only the process dies.
    AllKept,
    /// Nothing.
    AllLost,
    /// All but the last write, of which some sectors are there.
    LastTorn,
    /// Each with this probability, in percent; one in four of those that are kept is torn.
    Some(u8),
}

/// A disk with a cache.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// The folder as programs see it, and as it is on the disk.
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    /// Changes of the folder since it was synced: a name, and the file it stands for from then on.
    renamed: Vec<(String, Option<usize>)>,
    /// Files whose syncs do nothing: a broken disk, to see that it is noticed.
    deaf: BTreeSet<String>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// A disk that ignores syncs of this file.
    pub(crate) fn deaf_to(name: &str) -> Self {
        Self { deaf: BTreeSet::from([name.to_owned()]), ..Self::default() }
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Create { name } => {
                self.files.push(File::default());
                self.name(name, Some(self.files.len() - 1));
            }
            Step::Write { name, at, bytes } => self.file(name).pending.push(Change::Write(*at, bytes.clone())),
            Step::Cut { name, length } => self.file(name).pending.push(Change::Cut(*length)),
            Step::Sync { name } if name == "." => {
                self.names_synced = self.names.clone();
                self.renamed.clear();
            }
            Step::Sync { name } if self.deaf.contains(name) => {}
            Step::Sync { name } => {
                let file = self.file(name);
                for change in std::mem::take(&mut file.pending) {
                    change.make(&mut file.synced);
                }
            }
            Step::Unlink { name } => self.name(name, None),
            Step::Rename { name, to } => {
                let file = self.names[name];
                self.name(name, None);
                self.name(to, Some(file));
            }
        }
    }

    /// What is there after a power cut now, by name.
    pub(crate) fn after_power_cut(&self, fate: Fate, random: &mut fastrand::Rng) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names_synced.clone();
        for (name, file) in &self.renamed {
            if keeps(fate, random) {
                match file {
                    Some(file) => names.insert(name.clone(), *file),
                    None => names.remove(name),
                };
            }
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].after_power_cut(fate, random))).collect()
    }

    fn name(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(name.to_owned(), file),
            None => self.names.remove(name),
        };
        self.renamed.push((name.to_owned(), file));
    }

    fn file(&mut self, name: &str) -> &mut File {
        &mut self.files[self.names[name]]
    }
}

fn keeps(fate: Fate, random: &mut fastrand::Rng) -> bool {
    match fate {
        Fate::AllKept | Fate::LastTorn => true,
        Fate::AllLost => false,
        Fate::Some(percent) => random.u8(0..100) < percent,
    }
}

impl File {
    fn after_power_cut(&self, fate: Fate, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let last = self.pending.len().wrapping_sub(1);
        for (i, change) in self.pending.iter().enumerate() {
            if !keeps(fate, random) {
                continue;
            }
            match fate {
                Fate::LastTorn if i == last => change.tear(&mut bytes, random),
                Fate::Some(_) if random.u8(0..4) == 0 => change.tear(&mut bytes, random),
                _ => change.make(&mut bytes),
            }
        }
        bytes
    }
}

impl Change {
    fn make(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => write(file, *at, bytes),
            Self::Cut(length) => file.resize(*length, 0),
        }
    }

    /// Half of its sectors.
    fn tear(&self, file: &mut Vec<u8>, random: &mut fastrand::Rng) {
        let Self::Write(start, bytes) = self else { return self.make(file) };
        let mut at = *start;
        while at < start + bytes.len() {
            let end = ((at / SECTOR + 1) * SECTOR).min(start + bytes.len());
            if random.bool() {
                write(file, at, &bytes[at - start..end - start]);
            }
            at = end;
        }
    }
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    file.resize(file.len().max(at + bytes.len()), 0);
    file[at..at + bytes.len()].copy_from_slice(bytes);
}
