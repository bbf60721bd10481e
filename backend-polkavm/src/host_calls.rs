//! Host functions: from registers to arguments, and from results to registers.
//!
//! Arguments come in the registers A0 to A5 and T0 to T2, and a result goes to A0. In a program for 32
//! bits, 64 take two registers, the lower half first.

use crate::instance::Guest;
use polkavm::Reg;
use pvf_host_functions::{HostCallError, for_each_host_function};

/// Where a guest has its registers.
pub(crate) trait Registers {
    /// Whether the program is for 64 bits, not for 32.
    fn is_64_bit(&self) -> bool;

    /// The register's value. The upper half is zero in a program for 32 bits.
    fn register(&mut self, register: Reg) -> u64;

    /// Sets the register, in a program for 32 bits to the lower half of `value`.
    fn set_register(&mut self, register: Reg, value: u64);
}

/// A host function that takes its arguments from the guest's registers, and puts its result there.
pub(crate) type HostCall = fn(&mut Guest) -> Result<(), HostCallError>;

macro_rules! host_calls {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// The host function of this name.
        pub(crate) fn find(name: &str) -> Option<HostCall> {
            match name {
                $($name => Some(|guest| {
                    #[allow(unused_mut, unused_variables)]
                    let mut registers = Reg::ARG_REGS.into_iter();
                    $(let $arg = <$ty as Argument>::take(guest, &mut registers);)*
                    $path(guest, $($arg),*)
                        .map(|result| result.put(guest))
                        .map_err(|error| HostCallError { function: $name, error })
                }),)*
                _ => None,
            }
        }
    };
}

for_each_host_function!(host_calls);

/// An argument of a host function.
pub(crate) trait Argument: Sized {
    fn take(guest: &mut impl Registers, registers: &mut impl Iterator<Item = Reg>) -> Self;
}

impl Argument for u32 {
    #[inline]
    fn take(guest: &mut impl Registers, registers: &mut impl Iterator<Item = Reg>) -> Self {
        // No function has more arguments than there are registers, which a test checks.
        registers.next().map_or(0, |register| guest.register(register) as Self)
    }
}

impl Argument for u64 {
    #[inline]
    fn take(guest: &mut impl Registers, registers: &mut impl Iterator<Item = Reg>) -> Self {
        if guest.is_64_bit() {
            registers.next().map_or(0, |register| guest.register(register))
        } else {
            let low = u32::take(guest, registers);
            let high = u32::take(guest, registers);
            Self::from(low) | Self::from(high) << 32
        }
    }
}

/// What a host function returns.
pub(crate) trait CallResult {
    fn put(self, guest: &mut impl Registers);
}

impl CallResult for () {
    fn put(self, _: &mut impl Registers) {}
}

impl CallResult for u32 {
    #[inline]
    fn put(self, guest: &mut impl Registers) {
        // As in RISC-V, 32 bits in a register of 64 are sign-extended.
        guest.set_register(Reg::A0, self as i32 as u64);
    }
}

impl CallResult for u64 {
    #[inline]
    fn put(self, guest: &mut impl Registers) {
        guest.set_register(Reg::A0, self);
        if !guest.is_64_bit() {
            guest.set_register(Reg::A1, self >> 32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_functions::{HOST_FUNCTIONS, ValueType};

    #[test]
    fn every_host_function_is_found_and_its_arguments_fit_the_registers() {
        for function in HOST_FUNCTIONS {
            assert!(find(function.name).is_some(), "{}", function.name);
            let registers = function.params.iter().map(|ty| match ty {
                ValueType::I32 => 1,
                ValueType::I64 => 2,
            });
            assert!(registers.sum::<usize>() <= Reg::ARG_REGS.len(), "{}", function.name);
        }
        assert!(find("ext_storage_get_version_1").is_none());
    }
}
