//! An object store that is slow, fails, loses files and flips bits.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use tidegate_sim::Random;

/// A write that is under way.
#[derive(Debug)]
struct Put {
    ticket: u64,
    name: String,
    bytes: Vec<u8>,
    /// The round in which it is done.
    ready: u32,
    succeeds: bool,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Store {
    files: BTreeMap<String, Vec<u8>>,
    puts: Vec<Put>,
    done: BTreeMap<u64, bool>,
    tickets: u64,
    /// Every name that ever was stored whole.
    pub(crate) ever: BTreeMap<String, Vec<u8>>,
}

impl Store {
    /// Begins to write a file; the ticket asks how it went.
    pub(crate) fn put(&mut self, name: &str, bytes: Vec<u8>, ready: u32, succeeds: bool) -> u64 {
        self.tickets += 1;
        self.puts.push(Put {
            ticket: self.tickets,
            name: name.to_owned(),
            bytes,
            ready,
            succeeds,
        });
        self.tickets
    }

    /// Ends the writes that are due.
    pub(crate) fn advance(&mut self, round: u32) {
        let (ready, waiting) = std::mem::take(&mut self.puts)
            .into_iter()
            .partition(|put| put.ready <= round);
        self.puts = waiting;
        let ready: Vec<Put> = ready;
        for put in ready {
            self.done.insert(put.ticket, put.succeeds);
            if put.succeeds {
                self.ever.insert(put.name.clone(), put.bytes.clone());
                self.files.insert(put.name, put.bytes);
            }
        }
    }

    /// How a write went; `None` while it is under way.
    pub(crate) fn outcome(&self, ticket: u64) -> Option<bool> {
        self.done.get(&ticket).copied()
    }

    /// The content of a file.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Deletes a file, if it is there.
    pub(crate) fn delete(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Does harm to one file: loses it, cuts it short or flips a bit. Gives its name.
    pub(crate) fn damage(&mut self, random: &mut Random) -> Option<String> {
        let count = u32::try_from(self.files.len()).expect("a few files");
        let chosen = usize::try_from(random.below(count)).expect("a few files");
        let name = self.files.keys().nth(chosen)?.clone();
        let bytes = self.files.get_mut(&name)?;
        let length = u32::try_from(bytes.len()).expect("small files");
        let at = usize::try_from(random.below(length)).expect("small files");
        match random.below(4) {
            0 => {
                self.files.remove(&name);
            }
            1 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << random.below(8),
        }
        Some(name)
    }
}

/// The SHA-256 of some bytes, lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(digit.into(), 16));
    digits.map(|digit| digit.expect("below 16")).collect()
}
