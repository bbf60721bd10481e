//! What the compiler is given for one instruction of a [loop that compares](crate::compare).
//!
//! A page of the guest can be accessed as a whole or not at all. The loop has just read a byte on either
//! side, so what lies behind these in the same pages can be read as well: more than that is not touched, and
//! no bound is needed.

use crate::{compare::Compare, engine::PAGE_SIZE, stand_in::Register};
use polkavm_assembler::{
    Assembler, Label,
    amd64::{
        Condition, LoadKind, RegIndex,
        RegIndex::{r13, rcx},
        RegSize, Size,
        addr::{base_index, imm32, imm64},
        inst::{add, and, bts, cmp, jcc_label8, load, mov, not, sub, tzcnt},
    },
};
use polkavm_common::regmap::to_native_reg;

/// The bytes that are compared at once.
const AT_ONCE: u32 = 16;

/// Emits the code. Where gas is metered it is that of the instruction alone.
pub(super) fn emit(it: Compare, is_metered: bool, asm: &mut Assembler) {
    let Compare { left, left_byte, right, right_byte, count } = it;
    load_byte(asm, right_byte, right);
    if is_metered {
        return;
    }
    let over = asm.forward_declare_label();
    asm.push(cmp((native(count), imm64(AT_ONCE as i32))));
    asm.push(jcc_label8(Condition::Below, over));
    asm.push(cmp((RegSize::R64, native(left_byte), native(right_byte))));
    asm.push(jcc_label8(Condition::NotEqual, over));
    stay_in_page(asm, left, over);
    stay_in_page(asm, right, over);
    address(asm, left);
    // movdqu xmm0, [r13 + rcx]
    asm.push_raw(&[0xf3, 0x41, 0x0f, 0x6f, 0x44, 0x0d, 0x00]);
    address(asm, right);
    // movdqu xmm1, [r13 + rcx]
    asm.push_raw(&[0xf3, 0x41, 0x0f, 0x6f, 0x4c, 0x0d, 0x00]);
    // pcmpeqb xmm0, xmm1
    asm.push_raw(&[0x66, 0x0f, 0x74, 0xc1]);
    // pmovmskb ecx, xmm0
    asm.push_raw(&[0x66, 0x0f, 0xd7, 0xc8]);
    // How many bytes are equal, before the first pair that is not or the last: that is read anew, as the
    // next round would.
    asm.push(not(Size::U32, rcx));
    asm.push(bts(RegSize::R32, rcx, AT_ONCE as u8 - 1));
    asm.push(tzcnt(RegSize::R32, rcx, rcx));
    asm.push(add((RegSize::R64, native(left), rcx)));
    asm.push(add((RegSize::R64, native(right), rcx)));
    asm.push(sub((RegSize::R64, native(count), rcx)));
    load_byte(asm, left_byte, left);
    load_byte(asm, right_byte, right);
    asm.define_label(over);
}

/// Jumps if not all bytes from this register's address on are in its page.
fn stay_in_page(asm: &mut Assembler, register: Register, over: Label) {
    address(asm, register);
    asm.push(and((rcx, imm32(PAGE_SIZE - 1))));
    asm.push(cmp((rcx, imm32(PAGE_SIZE - AT_ONCE))));
    asm.push(jcc_label8(Condition::Above, over));
}

/// As the engine does it.
fn load_byte(asm: &mut Assembler, byte: Register, at: Register) {
    address(asm, at);
    asm.push(load(LoadKind::U8, native(byte), base_index(RegSize::R64, r13, rcx)));
}

/// Puts into rcx the address that a register has. It has 32 bits.
fn address(asm: &mut Assembler, register: Register) {
    asm.push(mov(RegSize::R32, rcx, native(register)));
}

fn native(register: Register) -> RegIndex {
    to_native_reg(register.0)
}
