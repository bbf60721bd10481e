//! A guest that takes as much memory as its block says, or as it can get.
//!
//! ```text
//! block  way: u8, pieces: u32
//! head   pieces: u32, that it got
//! ```
//!
//! A piece is a MiB, and each page of it is written to. The ways are:
//!
//! * 0: with the host's allocator, a few bytes less for each piece. When it has no more, it ends the
//!   call.
//! * 1: with the machine's own instruction. If the machine refuses, the head says how far it came.

#![no_std]

extern crate alloc;

use core::alloc::Layout;
use support::{Params, ValidationResult, machine};

/// The host's says by itself that there is no more.
#[cfg(target_env = "polkavm")]
use support::allocator::Host;

support::entry_point!(validate, Host);

const PIECE: usize = 1 << 20;
const PAGE: usize = 1 << 12;

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let more = match block.byte() {
        0 => allocate,
        1 => grow,
        way => panic!("there is no way {way}"),
    };
    let wanted = block.u32();
    let got = (0..wanted).take_while(|_| more()).count() as u32;
    params.result(got.to_le_bytes())
}

/// The host's allocator adds eight bytes, and then rounds up to the next power of two.
fn allocate() -> bool {
    let layout = Layout::new::<[u64; PIECE / 8 - 1]>();
    // SAFETY: the layout is not empty.
    let piece = unsafe { alloc::alloc::alloc(layout) };
    if piece.is_null() {
        alloc::alloc::handle_alloc_error(layout);
    }
    touch(piece, layout.size());
    true
}

fn grow() -> bool {
    let Some(piece) = machine::grow(PIECE) else { return false };
    touch(piece, PIECE);
    true
}

fn touch(piece: *mut u8, size: usize) {
    for offset in (0..size).step_by(PAGE) {
        // SAFETY: the piece is ours, and this is inside of it.
        unsafe { piece.add(offset).write_volatile(1) }
    }
}
