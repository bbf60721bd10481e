//! The family `hashing`: hashes of guest memory.
//!
//! Each function takes a range to hash and returns the pointer to the digest, in memory allocated
//! for it. They fail when the range is out of bounds, in which case nothing is allocated, or when
//! the allocator refuses.

use crate::{GuestContext, HostError, digest};

/// Keccak with an output of 256 bits: 32 bytes. This is not SHA3-256, which pads in another way.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn keccak_256_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::keccak_256)
}

/// Keccak with an output of 512 bits: 64 bytes. This is not SHA3-512, which pads in another way.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn keccak_512_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::keccak_512)
}

/// SHA-256: 32 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn sha2_256_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::sha2_256)
}

/// BLAKE2b with an output of 128 bits: 16 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn blake2_128_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::blake2_128)
}

/// BLAKE2b with an output of 256 bits: 32 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn blake2_256_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::blake2_256)
}

/// XXH64 with the seed 0, little endian: 8 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn twox_64_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::twox_64)
}

/// XXH64 with the seeds 0 and 1, each little endian: 16 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn twox_128_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::twox_128)
}

/// XXH64 with the seeds 0 to 3, each little endian: 32 bytes.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn twox_256_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<u32, HostError> {
    hash(guest, data, digest::twox_256)
}

fn hash<C: GuestContext, const N: usize>(
    guest: &mut C,
    data: u64,
    function: impl FnOnce(&[u8]) -> [u8; N],
) -> Result<u32, HostError> {
    let digest = function(&guest.range(data)?);
    Ok(guest.allocate_and_write(&digest)?.ptr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FatPointer, GuestMemory, MemoryError, PAGE_SIZE, testing::TestGuest};
    use pvf_host_core::primitives::hex;

    type Function = fn(&mut TestGuest, u64) -> Result<u32, HostError>;

    /// Each function, and how long its digests are.
    const FUNCTIONS: [(&str, Function, u32); 8] = [
        ("blake2_128", blake2_128_version_1, 16),
        ("blake2_256", blake2_256_version_1, 32),
        ("keccak_256", keccak_256_version_1, 32),
        ("keccak_512", keccak_512_version_1, 64),
        ("sha2_256", sha2_256_version_1, 32),
        ("twox_128", twox_128_version_1, 16),
        ("twox_256", twox_256_version_1, 32),
        ("twox_64", twox_64_version_1, 8),
    ];

    const HEAP_BASE: u32 = 20_000;

    fn fat(ptr: u32, len: u32) -> u64 {
        FatPointer { ptr, len }.into()
    }

    #[test]
    fn digests_are_those_of_the_reference() {
        let mut guest = TestGuest::with_heap(1, 1, HEAP_BASE);
        for (index, byte) in guest.memory[..10_000].iter_mut().enumerate() {
            *byte = (index % 251) as u8;
        }
        let vectors = include_str!("../vectors/hashing/digests.txt");
        let mut count = 0;
        for line in vectors.lines() {
            let mut words = line.split(' ');
            let [name, len, expected] = [(); 3].map(|()| words.next().unwrap());
            let (_, function, size) = FUNCTIONS.iter().find(|(known, ..)| *known == name).unwrap();
            let ptr = function(&mut guest, fat(0, len.parse().unwrap())).unwrap();
            let digest = guest.bytes(ptr, *size).unwrap();
            assert_eq!(digest, hex::decode(expected).unwrap(), "{name} of {len} bytes");
            guest.deallocate(ptr).unwrap();
            count += 1;
        }
        assert_eq!(count, 43 * FUNCTIONS.len());
    }

    #[test]
    fn digests_are_in_memory_of_their_own_and_nothing_else_is_written() {
        for (name, function, size) in FUNCTIONS {
            let mut guest = TestGuest::with_heap(1, 1, HEAP_BASE);
            guest.memory.fill(0xa5);
            let first = function(&mut guest, fat(100, 5)).unwrap();
            let second = function(&mut guest, fat(100, 5)).unwrap();
            // Eight bytes are the allocator's, before what it gives out.
            assert_eq!([first, second], [HEAP_BASE + 8, HEAP_BASE + 16 + size], "{name}");
            assert_eq!(guest.bytes(first, size), guest.bytes(second, size), "{name}");
            assert!(guest.bytes(first, size).unwrap().iter().any(|byte| *byte != 0xa5), "{name}");
            let end = second as usize + size as usize;
            assert!(guest.memory[..HEAP_BASE as usize].iter().all(|byte| *byte == 0xa5), "{name}");
            assert!(guest.memory[end..].iter().all(|byte| *byte == 0xa5), "{name}");
            guest.deallocate(first).unwrap();
            guest.deallocate(second).unwrap();
        }
    }

    #[test]
    fn what_is_hashed_may_be_all_of_memory_or_nothing_at_its_end() {
        for (name, function, _) in FUNCTIONS {
            let mut guest = TestGuest::with_heap(1, 1, HEAP_BASE);
            let end = PAGE_SIZE as u32;
            function(&mut guest, fat(0, end)).unwrap();
            let at_the_end = function(&mut guest, fat(end, 0)).unwrap();
            let at_the_start = function(&mut guest, fat(0, 0)).unwrap();
            let digests = [at_the_end, at_the_start].map(|ptr| guest.array::<8>(ptr));
            assert_eq!(digests[0], digests[1], "{name}");
        }
    }

    #[test]
    fn hashing_out_of_bounds_is_refused_and_nothing_is_allocated() {
        let end = PAGE_SIZE as u32;
        for (name, function, _) in FUNCTIONS {
            let mut guest = TestGuest::with_heap(1, 1, HEAP_BASE);
            for (ptr, len) in [(end, 1), (end + 1, 0), (0, end + 1), (1, u32::MAX), (u32::MAX, 1)] {
                let refused = function(&mut guest, fat(ptr, len));
                assert_eq!(refused, Err(MemoryError::OutOfBounds.into()), "{name} {ptr} {len}");
            }
            assert_eq!(guest.allocate(8), Ok(HEAP_BASE + 8), "{name}");
            assert!(guest.memory[..HEAP_BASE as usize].iter().all(|byte| *byte == 0), "{name}");
        }
    }

    #[test]
    fn without_room_for_the_digest_hashing_is_refused() {
        use crate::AllocatorError;
        for (name, function, size) in FUNCTIONS {
            let mut full = TestGuest::with_heap(1, 1, PAGE_SIZE as u32 - size);
            let refused = function(&mut full, fat(0, 3));
            assert_eq!(refused, Err(AllocatorError::OutOfSpace.into()), "{name}");
            let mut starting = TestGuest::new(1, 1);
            let refused = function(&mut starting, fat(0, 3));
            assert_eq!(refused, Err(MemoryError::NotReady.into()), "{name}");
        }
    }
}
