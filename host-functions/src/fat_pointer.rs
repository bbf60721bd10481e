//! A pointer and a length in one number.

/// A range of guest memory as arguments and results carry it: the pointer in the low half of a
/// `u64`, the length in the high half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FatPointer {
    /// Where it begins.
    pub ptr: u32,
    /// How many bytes it has.
    pub len: u32,
}

impl From<u64> for FatPointer {
    fn from(packed: u64) -> Self {
        Self { ptr: packed as u32, len: (packed >> 32) as u32 }
    }
}

impl From<FatPointer> for u64 {
    fn from(pointer: FatPointer) -> Self {
        Self::from(pointer.len) << 32 | Self::from(pointer.ptr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_is_the_low_half_and_the_length_the_high_half() {
        let pointer = FatPointer { ptr: 0x1111_2222, len: 0xf333_4444 };
        assert_eq!(u64::from(pointer), 0xf333_4444_1111_2222);
        assert_eq!(FatPointer::from(0xf333_4444_1111_2222), pointer);
    }
}
