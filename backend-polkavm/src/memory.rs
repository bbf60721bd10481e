//! How much memory a program may have.
//!
//! PolkaVM's programs declare how large their data and their stack are, and grow a heap behind the
//! data. All of it together is held to the executor parameters' limit, as a WebAssembly memory is,
//! which holds the same things. What is declared is part of the artifact, which must not depend on that
//! limit; so it has bounds of its own, checked when code is prepared.

use crate::engine::PAGE_SIZE;
use polkavm::{MemoryMap, MemoryMapBuilder, ProgramBlob};

/// The most that a program's data may measure, read-only and writable together, in bytes.
pub const MAX_DATA: u64 = 32 << 20;
/// The most that a program's stack may measure, in bytes. An instance's stack is cleared when an
/// artifact is loaded.
pub const MAX_STACK: u64 = 16 << 20;

/// The bytes of one page of the executor parameters.
const PARAMETER_PAGE_SIZE: u64 = pvf_host_functions::PAGE_SIZE;

/// Where a program's data, heap and stack lie.
pub(crate) fn map(program: &ProgramBlob) -> Result<MemoryMap, String> {
    let data = u64::from(program.ro_data_size()) + u64::from(program.rw_data_size());
    if data > MAX_DATA {
        return Err(format!("{data} bytes of data, more than {MAX_DATA}"));
    }
    let stack = u64::from(program.stack_size());
    if stack > MAX_STACK {
        return Err(format!("{stack} bytes of stack, more than {MAX_STACK}"));
    }
    MemoryMapBuilder::new(PAGE_SIZE)
        .ro_data_size(program.ro_data_size())
        .rw_data_size(program.rw_data_size())
        .stack_size(program.stack_size())
        .build()
        .map_err(str::to_owned)
}

/// The address up to which the heap may grow.
///
/// # Errors
///
/// When what the program declares is above the limit already; says so.
pub(crate) fn heap_end(map: &MemoryMap, page_limit: u32) -> Result<u32, String> {
    let declared =
        u64::from(map.ro_data_size()) + u64::from(map.rw_data_size()) + u64::from(map.stack_size());
    let limit = u64::from(page_limit) * PARAMETER_PAGE_SIZE;
    let heap = limit.checked_sub(declared).ok_or_else(|| {
        format!("{declared} bytes of data and stack are above the limit of {page_limit} pages")
    })?;
    // The region that the engine sets aside ends below 4 GiB.
    Ok(map.heap_base() + heap.min(u64::from(map.max_heap_size())) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaring(data: u32, stack: u32) -> MemoryMap {
        let mut builder = MemoryMapBuilder::new(PAGE_SIZE);
        builder.rw_data_size(data).stack_size(stack).build().unwrap()
    }

    #[test]
    fn data_stack_and_heap_share_the_limit() {
        let map = declaring(5000, 4096);
        let end = heap_end(&map, 2).unwrap();
        assert_eq!(end - map.heap_base(), 2 * 65_536 - 8192 - 4096);
        assert_eq!(heap_end(&declaring(65_536, 65_536), 2), Ok(0x30_000));
        assert!(heap_end(&declaring(65_537, 65_536), 2).is_err());
    }

    #[test]
    fn no_limit_is_above_what_the_address_space_can_hold() {
        let map = declaring(0, 0);
        assert_eq!(heap_end(&map, u32::MAX).unwrap() - map.heap_base(), map.max_heap_size());
    }
}
