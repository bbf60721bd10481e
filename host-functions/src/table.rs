//! The list of all host functions.

/// Calls a macro once with every host function.
///
/// The macro gets rows of the form
///
/// ```text
/// "ext_family_name_version_n" => path::to::function(argument: u32, other: u64) -> u32;
/// ```
///
/// where the result is missing for a function that returns nothing. `u32` is an `i32` on the guest's
/// side, `u64` an `i64`. A function takes the guest as its first argument, `&mut impl GuestContext`,
/// and returns a `Result` of the row's type and a [`HostError`](crate::HostError). Guests import it
/// from the module `env`.
///
/// ```
/// macro_rules! names {
///     ($($name:literal => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
///         [$($name),*]
///     };
/// }
/// assert!(pvf_host_functions::for_each_host_function!(names).contains(&"ext_allocator_free_version_1"));
/// ```
#[macro_export]
macro_rules! for_each_host_function {
    ($callback:ident) => {
        $callback! {
            "ext_allocator_free_version_1"
                => $crate::allocation::free_version_1, (ptr: u32);
            "ext_allocator_malloc_version_1"
                => $crate::allocation::malloc_version_1, (size: u32) -> u32;
            "ext_logging_log_version_1"
                => $crate::logging::log_version_1, (level: u32, target: u64, message: u64);
            "ext_logging_max_level_version_1"
                => $crate::logging::max_level_version_1, () -> u32;
            "ext_misc_print_hex_version_1"
                => $crate::misc::print_hex_version_1, (data: u64);
            "ext_misc_print_num_version_1"
                => $crate::misc::print_num_version_1, (value: u64);
            "ext_misc_print_utf8_version_1"
                => $crate::misc::print_utf8_version_1, (text: u64);
        }
    };
}

/// The type of an argument or a result, as a guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// A host function's name and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The name by which guests import it.
    pub name: &'static str,
    /// The types of its arguments.
    pub params: &'static [ValueType],
    /// The type of its result, if it has one.
    pub result: Option<ValueType>,
}

macro_rules! value_type {
    (u32) => {
        ValueType::I32
    };
    (u64) => {
        ValueType::I64
    };
}

macro_rules! result_type {
    () => {
        None
    };
    ($ty:tt) => {
        Some(value_type!($ty))
    };
}

macro_rules! signatures {
    ($($name:literal => $path:path, ($($arg:ident: $ty:tt),*) $(-> $result:tt)?;)*) => {
        &[$(Signature {
            name: $name,
            params: &[$(value_type!($ty)),*],
            result: result_type!($($result)?),
        }),*]
    };
}

/// All host functions, ordered by name.
pub const SIGNATURES: &[Signature] = for_each_host_function!(signatures);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_ordered_and_each_name_appears_once() {
        assert!(SIGNATURES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn types_are_those_guests_are_compiled_against() {
        let of = |name| SIGNATURES.iter().find(|signature| signature.name == name).unwrap();
        let log = of("ext_logging_log_version_1");
        assert_eq!(log.params, [ValueType::I32, ValueType::I64, ValueType::I64]);
        assert_eq!(log.result, None);
        let malloc = of("ext_allocator_malloc_version_1");
        assert_eq!(malloc.params, [ValueType::I32]);
        assert_eq!(malloc.result, Some(ValueType::I32));
    }

    #[test]
    fn the_panic_handler_is_not_offered() {
        assert!(SIGNATURES.iter().all(|signature| !signature.name.contains("panic_handler")));
    }
}
