//! Compiled functions that a preparation keeps, so that a later one need not compile them again.
//!
//! Wasmtime asks for each function before it compiles it, by a key: a SHA-256 hash of all that the
//! compiler is given, the names of called functions apart, which are put in afterwards. So a function
//! whose number has changed, or that of a function that it calls, is found all the same.
//!
//! # Format
//!
//! The byte 1, then for each function, ordered by key: the key, the length of what Wasmtime has made of the
//! function, as a little-endian `u32`, and that. Bytes in any other form are as good as none: whoever
//! compromised a preparation has written them.

use pvf_host_core::backend::FunctionCounts;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};
use wasmtime::CacheStore;

const VERSION: u8 = 1;

/// What Wasmtime asks by.
type Key = [u8; 32];

/// What one preparation finds, and what it keeps.
#[derive(Debug)]
pub(crate) struct Functions {
    earlier: Vec<u8>,
    /// Where in `earlier` each function lies.
    index: BTreeMap<Key, Range<usize>>,
    /// The same functions by their length.
    by_len: HashMap<usize, Vec<Key>>,
    /// The functions of this preparation. What is empty is in `earlier`.
    used: Mutex<BTreeMap<Key, Arc<[u8]>>>,
    reused: AtomicU32,
    compiled: AtomicU32,
}

impl Functions {
    /// Begins with what an earlier preparation has kept.
    pub(crate) fn new(earlier: Option<&[u8]>) -> Self {
        let earlier = earlier.unwrap_or_default().to_vec();
        let index = index(&earlier).unwrap_or_default();
        let mut by_len: HashMap<_, Vec<_>> = HashMap::new();
        for (key, range) in &index {
            by_len.entry(range.len()).or_default().push(*key);
        }
        Self {
            earlier,
            index,
            by_len,
            used: Mutex::default(),
            reused: AtomicU32::new(0),
            compiled: AtomicU32::new(0),
        }
    }

    /// What this preparation keeps, and how much of it was there before.
    pub(crate) fn keep(&self) -> (Vec<u8>, FunctionCounts) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let functions = || {
            used.iter().filter_map(|(key, function)| {
                let function = match function.is_empty() {
                    true => self.earlier(key).unwrap_or_default(),
                    false => function,
                };
                Some((key, u32::try_from(function.len()).ok()?, function))
            })
        };
        let lens = functions().map(|(key, len, _)| key.len() + size_of_val(&len) + len as usize);
        let mut bytes = Vec::with_capacity(1 + lens.sum::<usize>());
        bytes.push(VERSION);
        for (key, len, function) in functions() {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(function);
        }
        let counts = FunctionCounts {
            reused: self.reused.load(Ordering::Relaxed),
            compiled: self.compiled.load(Ordering::Relaxed),
        };
        (bytes, counts)
    }

    fn earlier(&self, key: &Key) -> Option<&[u8]> {
        self.earlier.get(self.index.get(key)?.clone())
    }

    /// By what an earlier preparation found the same function.
    fn earlier_keys(&self, function: &[u8]) -> impl Iterator<Item = Key> {
        let keys = self.by_len.get(&function.len()).into_iter().flatten();
        keys.copied().filter(move |key| self.earlier(key) == Some(function))
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let key = Key::try_from(key).ok()?;
        if let Some(function) = self.earlier(&key) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.entry(key).or_default();
            return Some(function.into());
        }
        // Code has many functions that are equal but for what they call.
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let function = used.get(&key)?.clone();
        drop(used);
        Some(function.to_vec().into())
    }

    fn insert(&self, key: &[u8], function: Vec<u8>) -> bool {
        let Ok(key) = Key::try_from(key) else { return false };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if self.index.contains_key(&key) {
            // It was given, and could not be read. It is replaced.
            self.reused.fetch_sub(1, Ordering::Relaxed);
        }
        // A key has something in it of what was compiled before. A function that was there earlier is
        // kept under the keys that it had, under which most of it will be looked for again.
        let keys: Vec<Key> = self.earlier_keys(&function).collect();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.is_empty() {
            used.insert(key, function.into());
        }
        for key in keys {
            used.entry(key).or_default();
        }
        true
    }
}

/// Where each function lies in what was kept. None if that is malformed.
fn index(bytes: &[u8]) -> Option<BTreeMap<Key, Range<usize>>> {
    let mut index = BTreeMap::new();
    let mut rest = bytes.strip_prefix(&[VERSION])?;
    while !rest.is_empty() {
        let (key, behind) = rest.split_first_chunk::<32>()?;
        let (len, behind) = behind.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let start = bytes.len() - behind.len();
        rest = behind.get(len..)?;
        // They are in order, and an empty one is none.
        if len == 0 || index.last_key_value().is_some_and(|(last, _)| last >= key) {
            return None;
        }
        index.insert(*key, start..start + len);
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(functions: &[(u8, &[u8])]) -> Vec<u8> {
        let kept = Functions::new(None);
        for (key, function) in functions {
            assert!(kept.insert(&[*key; 32], function.to_vec()));
        }
        kept.keep().0
    }

    fn read(bytes: &[u8]) -> Functions {
        Functions::new(Some(bytes))
    }

    #[test]
    fn what_is_kept_is_found_as_it_was_and_kept_again_if_it_was_of_use() {
        let bytes = kept(&[(2, b"two"), (1, b"one"), (3, b"three")]);
        let functions = read(&bytes);
        assert_eq!(functions.get(&[1; 32]).unwrap(), &b"one"[..]);
        assert_eq!(functions.get(&[3; 32]).unwrap(), &b"three"[..]);
        assert_eq!(functions.get(&[3; 32]).unwrap(), &b"three"[..]);
        assert_eq!(functions.get(&[4; 32]), None);
        assert!(functions.insert(&[4; 32], b"four".to_vec()));
        assert_eq!(functions.get(&[4; 32]).unwrap(), &b"four"[..]);
        let (again, counts) = functions.keep();
        assert_eq!(again, kept(&[(1, b"one"), (3, b"three"), (4, b"four")]));
        assert_eq!(counts, FunctionCounts { reused: 3, compiled: 1 });
    }

    #[test]
    fn what_could_not_be_read_is_replaced() {
        let functions = read(&kept(&[(1, b"bad")]));
        assert!(functions.get(&[1; 32]).is_some());
        assert!(functions.insert(&[1; 32], b"good".to_vec()));
        assert_eq!(functions.keep().0, kept(&[(1, b"good")]));
    }

    #[test]
    fn what_was_compiled_in_vain_is_kept_as_it_was() {
        let bytes = kept(&[(1, b"one"), (2, b"two"), (3, b"two")]);
        let functions = read(&bytes);
        assert!(functions.insert(&[9; 32], b"two".to_vec()));
        let (again, counts) = functions.keep();
        assert_eq!(again, kept(&[(2, b"two"), (3, b"two")]));
        assert_eq!(counts, FunctionCounts { reused: 0, compiled: 1 });
    }

    #[test]
    fn malformed_bytes_are_as_good_as_none() {
        let good = kept(&[(1, b"one"), (2, b"two")]);
        assert_eq!(index(&good).unwrap().len(), 2);
        // Each cut that is not between functions.
        for len in 0..good.len() {
            let is_whole = [1, 1 + 32 + 4 + 3].contains(&len);
            assert_eq!(index(&good[..len]).is_some(), is_whole, "{len}");
        }
        let function = |key: u8, len: u32| [&[key; 32][..], &len.to_le_bytes()].concat();
        for (what, bytes) in [
            ("another version", vec![2]),
            ("a length beyond the end", [vec![1], function(1, 1)].concat()),
            ("the longest length", [vec![1], function(1, u32::MAX), vec![0; 100]].concat()),
            ("an empty function", [vec![1], function(1, 0)].concat()),
            ("a key twice", [vec![1], function(1, 1), vec![7], function(1, 1), vec![7]].concat()),
            ("out of order", [vec![1], function(2, 1), vec![7], function(1, 1), vec![7]].concat()),
        ] {
            assert_eq!(index(&bytes), None, "{what}");
            assert_eq!(read(&bytes).get(&[1; 32]), None, "{what}");
        }
    }
}
