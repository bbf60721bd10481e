//! Random modules. The same seed gives the same module, on every machine.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Which proposals a module may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Those that are accepted with default parameters.
    Accepted,
    /// Bulk memory operations too.
    BulkMemory,
    /// All that the generator knows.
    All,
}

/// Numbers that are random enough, by the SplitMix64 algorithm.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<_> =
            (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

/// A valid module that uses no other proposals.
pub(crate) fn generate(seed: u64, language: Language) -> Vec<u8> {
    let mut random = Random::new(seed);
    // The more there is to choose from, the larger the module.
    let len = 64 << random.below(8);
    let bytes = random.bytes(len);
    let all = language == Language::All;
    let config = Config {
        allow_start_export: true,
        bulk_memory_enabled: language != Language::Accepted,
        compact_imports_enabled: false,
        exceptions_enabled: all,
        export_everything: random.below(2) == 0,
        extended_const_enabled: all,
        gc_enabled: all,
        generate_custom_sections: random.below(4) == 0,
        // Most of what can be imported makes a module useless.
        max_imports: if random.below(2) == 0 { 10 } else { 0 },
        max_memories: if all { 3 } else { 1 },
        max_tables: if all { 3 } else { 1 },
        memory64_enabled: all,
        multi_value_enabled: all,
        reference_types_enabled: all,
        relaxed_simd_enabled: all,
        saturating_float_to_int_enabled: all,
        sign_extension_ops_enabled: true,
        simd_enabled: all,
        tail_call_enabled: all,
        threads_enabled: all,
        wide_arithmetic_enabled: all,
        ..Config::default()
    };
    Module::new(config, &mut Unstructured::new(&bytes))
        .expect("the generator goes on when its bytes are used up")
        .to_bytes()
}

/// Changes some code in a few places.
pub(crate) fn mutate(seed: u64, code: &[u8]) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut code = code.to_vec();
    for _ in 0..=random.below(4) {
        // What comes first decides most. The header alone decides all.
        let reach = if random.below(2) == 0 { code.len().min(200) } else { code.len() };
        if reach <= 8 {
            return code;
        }
        let at = 8 + random.below(reach - 8);
        let other = 8 + random.below(code.len() - 8);
        match random.below(7) {
            0 => code[at] ^= 1 << random.below(8),
            1 => code[at] = random.next() as u8,
            2 => code[at] = [0, 1, 0x7f, 0x80, 0xff, 0x40, 0x0b, 0xfc, 0xfd][random.below(9)],
            3 => code.insert(at, random.next() as u8),
            4 => drop(code.remove(at)),
            5 => code.truncate(at),
            _ => {
                let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 40));
                let piece = code[from..to].to_vec();
                let place = 8 + random.below(code.len() - 8);
                code.splice(place..place, piece);
            }
        }
    }
    code
}
