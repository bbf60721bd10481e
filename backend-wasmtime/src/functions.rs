//! Compiled functions that a preparation keeps, so that a later one need not compile them again.
//!
//! Wasmtime asks for each function before it compiles it, by a key: a SHA-256 hash of all that the
//! compiler is given, the names of called functions apart, which are put in afterwards. So a function
//! whose number has changed, or that of a function that it calls, is found all the same.
//!
//! # Format
//!
//! The byte 1, then for each function, in the order in which they were asked for: the key, the length of
//! what Wasmtime has made of the function, as a little-endian `u32`, and that. If a key comes again, what
//! follows it there counts. Bytes in any other form are as good as none: whoever compromised a preparation
//! has written them.

use pvf_host_core::backend::{Bytes, FunctionCounts};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    io::{self, BufWriter, Write},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
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
    earlier: Bytes,
    /// Where in `earlier` each function lies.
    index: HashMap<Key, Range<usize>>,
    /// The same functions by their length, once they are needed.
    by_len: OnceLock<HashMap<usize, Vec<Key>>>,
    used: Mutex<Used>,
    reused: AtomicU32,
    compiled: AtomicU32,
}

/// The functions of this preparation.
#[derive(Debug)]
struct Used {
    /// What is empty is in `earlier`.
    functions: HashMap<Key, Arc<[u8]>>,
    /// All of them are written here.
    kept: Kept,
}

impl Functions {
    /// Begins with what an earlier preparation has kept, and keeps what a later one may need.
    pub(crate) fn new(earlier: Option<Bytes>, kept: Box<dyn Write + Send>) -> Self {
        let earlier = earlier.unwrap_or_default();
        Self {
            index: index(&earlier).unwrap_or_default(),
            earlier,
            by_len: OnceLock::new(),
            used: Mutex::new(Used { functions: HashMap::new(), kept: Kept::new(kept) }),
            reused: AtomicU32::new(0),
            compiled: AtomicU32::new(0),
        }
    }

    /// Nothing more will be asked for. Gives how much was there before.
    pub(crate) fn finish(&self) -> FunctionCounts {
        self.used().kept.finish();
        FunctionCounts {
            reused: self.reused.load(Ordering::Relaxed),
            compiled: self.compiled.load(Ordering::Relaxed),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earlier(&self, key: &Key) -> Option<&[u8]> {
        self.earlier.get(self.index.get(key)?.clone())
    }

    /// By what an earlier preparation found the same function.
    fn earlier_keys(&self, function: &[u8]) -> impl Iterator<Item = Key> {
        let by_len = self.by_len.get_or_init(|| {
            let mut by_len: HashMap<_, Vec<_>> = HashMap::new();
            for (key, range) in &self.index {
                by_len.entry(range.len()).or_default().push(*key);
            }
            // So that what is kept, and in which order, does not depend on how keys are hashed.
            by_len.values_mut().for_each(|keys| keys.sort_unstable());
            by_len
        });
        let keys = by_len.get(&function.len()).into_iter().flatten();
        keys.copied().filter(move |key| self.earlier(key) == Some(function))
    }
}

impl Used {
    /// Keeps an earlier function.
    fn keep_earlier(&mut self, key: Key, function: &[u8]) {
        self.functions.entry(key).or_insert_with(|| {
            self.kept.push(&key, function);
            Arc::default()
        });
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let key = Key::try_from(key).ok()?;
        if let Some(function) = self.earlier(&key) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            self.used().keep_earlier(key, function);
            return Some(function.into());
        }
        // Code has many functions that are equal but for what they call.
        let function = self.used().functions.get(&key)?.clone();
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
        let mut used = self.used();
        for key in &keys {
            used.keep_earlier(*key, &function);
        }
        // Two threads may have compiled it at the same time.
        if keys.is_empty() && used.functions.get(&key).is_none_or(|known| **known != *function) {
            used.kept.push(&key, &function);
            used.functions.insert(key, function.into());
        }
        true
    }
}

/// Writes functions as they come. If that fails, whoever reads them is not told: the host discards them.
struct Kept(Option<BufWriter<Box<dyn Write + Send>>>);

impl Kept {
    /// So much at a time: little enough to be still in the processor's cache when it is copied.
    const BUFFER: usize = 1 << 16;

    fn new(output: Box<dyn Write + Send>) -> Self {
        let mut kept = Self(Some(BufWriter::with_capacity(Self::BUFFER, output)));
        kept.write(|output| output.write_all(&[VERSION]));
        kept
    }

    fn push(&mut self, key: &Key, function: &[u8]) {
        let Ok(len) = u32::try_from(function.len()) else { return };
        self.write(|output| {
            output.write_all(key)?;
            output.write_all(&len.to_le_bytes())?;
            output.write_all(function)
        });
    }

    fn finish(&mut self) {
        self.write(Write::flush);
    }

    /// Nothing is written any more as soon as something could not be.
    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>,
    ) {
        if let Some(output) = &mut self.0
            && write(output).is_err()
        {
            // What was to follow is not written either, as it would be if this were dropped.
            let _ = self.0.take().map(BufWriter::into_parts);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Kept").field("is_whole", &self.0.is_some()).finish()
    }
}

/// Where each function lies in what was kept. None if that is malformed.
fn index(bytes: &[u8]) -> Option<HashMap<Key, Range<usize>>> {
    let mut index = HashMap::new();
    let mut rest = bytes.strip_prefix(&[VERSION])?;
    while !rest.is_empty() {
        let (key, behind) = rest.split_first_chunk::<32>()?;
        let (len, behind) = behind.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let start = bytes.len() - behind.len();
        rest = behind.get(len..)?;
        // An empty one is none.
        if len == 0 {
            return None;
        }
        index.insert(*key, start..start + len);
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written to it can be read here.
    #[derive(Debug, Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Output {
        fn bytes(&self) -> Bytes {
            self.0.lock().unwrap().clone().into()
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn kept(functions: &[(u8, &[u8])]) -> Bytes {
        let output = Output::default();
        let kept = Functions::new(None, Box::new(output.clone()));
        for (key, function) in functions {
            assert!(kept.insert(&[*key; 32], function.to_vec()));
        }
        kept.finish();
        output.bytes()
    }

    fn read(bytes: Bytes) -> (Functions, Output) {
        let output = Output::default();
        (Functions::new(Some(bytes), Box::new(output.clone())), output)
    }

    #[test]
    fn what_is_kept_is_found_as_it_was_and_kept_again_if_it_was_of_use() {
        let bytes = kept(&[(2, b"two"), (1, b"one"), (3, b"three")]);
        let (functions, output) = read(bytes);
        assert_eq!(functions.get(&[1; 32]).unwrap(), &b"one"[..]);
        assert_eq!(functions.get(&[3; 32]).unwrap(), &b"three"[..]);
        assert_eq!(functions.get(&[3; 32]).unwrap(), &b"three"[..]);
        assert_eq!(functions.get(&[4; 32]), None);
        assert!(functions.insert(&[4; 32], b"four".to_vec()));
        assert_eq!(functions.get(&[4; 32]).unwrap(), &b"four"[..]);
        assert_eq!(functions.finish(), FunctionCounts { reused: 3, compiled: 1 });
        assert_eq!(output.bytes(), kept(&[(1, b"one"), (3, b"three"), (4, b"four")]));
    }

    #[test]
    fn what_could_not_be_read_is_replaced() {
        let (functions, output) = read(kept(&[(1, b"bad")]));
        assert!(functions.get(&[1; 32]).is_some());
        assert!(functions.insert(&[1; 32], b"good".to_vec()));
        assert_eq!(functions.finish(), FunctionCounts { reused: 0, compiled: 1 });
        assert_eq!(output.bytes(), kept(&[(1, b"bad"), (1, b"good")]));
        let (functions, _) = read(output.bytes());
        assert_eq!(functions.get(&[1; 32]).unwrap(), &b"good"[..]);
    }

    #[test]
    fn what_was_compiled_in_vain_is_kept_as_it_was() {
        let bytes = kept(&[(1, b"one"), (2, b"two"), (3, b"two")]);
        let (functions, output) = read(bytes);
        assert!(functions.insert(&[9; 32], b"two".to_vec()));
        assert!(functions.insert(&[8; 32], b"two".to_vec()));
        assert_eq!(functions.finish(), FunctionCounts { reused: 0, compiled: 2 });
        assert_eq!(output.bytes(), kept(&[(2, b"two"), (3, b"two")]));
    }

    #[test]
    fn what_two_threads_have_compiled_is_kept_once() {
        assert_eq!(kept(&[(1, b"one"), (1, b"one")]), kept(&[(1, b"one")]));
    }

    #[test]
    fn nothing_is_written_behind_what_could_not_be() {
        /// Does not take what would be too much, but what comes then.
        struct Full(usize, Output);

        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                match self.0.checked_sub(bytes.len()) {
                    Some(room) => self.0 = room,
                    None => {
                        self.0 = usize::MAX;
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                }
                self.1.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let output = Output::default();
        let functions = Functions::new(None, Box::new(Full(1000, output.clone())));
        let (long, short) = (vec![1; 2 * Kept::BUFFER], b"short");
        assert!(functions.insert(&[1; 32], long.clone()));
        assert!(functions.insert(&[2; 32], short.to_vec()));
        // They are found nevertheless.
        assert_eq!(functions.get(&[1; 32]).unwrap(), long);
        assert_eq!(functions.get(&[2; 32]).unwrap(), &short[..]);
        assert_eq!(functions.finish(), FunctionCounts { reused: 0, compiled: 2 });
        drop(functions);
        assert_eq!(
            output.bytes(),
            [&[VERSION][..], &[1; 32], &(2_u32 << 16).to_le_bytes()].concat()
        );

        // What waits to be written is not written either.
        let output = Output::default();
        let functions = Functions::new(None, Box::new(Full(0, output.clone())));
        assert!(functions.insert(&[2; 32], short.to_vec()));
        functions.finish();
        drop(functions);
        assert_eq!(output.bytes(), b""[..]);
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
            ("one behind a good one", [vec![1], function(1, 1), vec![7], function(1, 9)].concat()),
        ] {
            assert_eq!(index(&bytes), None, "{what}");
            assert_eq!(read(bytes.into()).0.get(&[1; 32]), None, "{what}");
        }
    }
}
