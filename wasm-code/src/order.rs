//! The order of functions in rewritten code.
//!
//! `wasm-instrument` puts its thunks, which count the stack of calls without a function's number,
//! behind all functions. Some of them are put between the functions instead. That changes numbers,
//! and nothing that code could see.
//!
//! It has to do with how Wasmtime compiles, and with what can be
//! [reused](pvf_host_core::backend::Preparation) of it. Functions are compiled by their numbers, in
//! several threads, each in an allocation that is used again and again. A compiled function is found
//! by all that the compiler was given, and that has something in it of what was compiled in the same
//! allocation before: Cranelift 0.135 does not clear a function's tables of exceptions. Only the
//! trampolines from the host have one, which are compiled behind each function that can be called
//! without its number, and so behind thunks. An allocation has no such table at first; a trampoline's
//! behind that; and an empty one as soon as some other function was compiled, not found. With all
//! thunks behind all functions it depends on which thread was the quicker what a function finds.
//! With thunks between them, it is an empty table nearly everywhere, whichever thread is the quicker.
//!
//! But the second function behind a thunk is not found: an empty table becomes of the trampoline's
//! only if the first was compiled. So thunks are put where functions are small.

use wasm_instrument::parity_wasm::elements::{
    ImportCountType, Instruction, Internal, Module, serialize,
};

/// The longest body, in bytes, of code that is put in order. An engine's parser takes 7,654,321, and
/// each call, of two bytes, becomes 61 at most.
const LONGEST: usize = 7_654_321 * 2 / 61;

/// Where the functions of rewritten code go.
#[derive(Debug, Default)]
pub(crate) struct Order {
    imported: usize,
    /// How many functions the code has of its own, behind which the thunks are.
    own: usize,
    /// Functions of its own that get a thunk before them, ascending: the first of the thunks goes
    /// before the first of these, and so on.
    places: Vec<usize>,
}

impl Order {
    /// The order for a module that was rewritten, whose bodies had these lengths before that.
    pub(crate) fn new(module: &Module, lens: &[usize]) -> Self {
        let functions = module.code_section().map_or(0, |section| section.bodies().len());
        let thunks = functions.saturating_sub(lens.len());
        let len_of_two = |at: usize| lens.iter().skip(at).take(2).sum::<usize>();
        // A number that takes one byte more may be too much for a body that is as long as can be.
        let thunks = if lens.iter().all(|len| *len <= LONGEST) { thunks } else { 0 };
        // Of what is not found, some is for each thunk, and some for each function between two of
        // them: about the square root of their number is best. As a power of two it is most often
        // the same for an upgrade.
        let spacing = 1_usize << lens.len().max(1).ilog2().div_ceil(2);
        let starts = (0..lens.len()).step_by(spacing);
        let places = starts.filter_map(|start| {
            (start..lens.len().min(start + spacing)).min_by_key(|at| len_of_two(*at))
        });
        Self {
            imported: module.import_count(ImportCountType::Function),
            own: lens.len(),
            places: places.take(thunks).collect(),
        }
    }

    /// The number that the function with this one gets.
    pub(crate) fn number(&self, function: u32) -> u32 {
        let Some(at) = (function as usize).checked_sub(self.imported) else { return function };
        let at = match at.checked_sub(self.own) {
            None => at + self.places.partition_point(|place| *place <= at),
            Some(thunk) => match self.places.get(thunk) {
                Some(place) => place + thunk,
                None => at,
            },
        };
        (self.imported + at) as u32
    }

    /// The thunk that goes right before one of the code's own functions.
    pub(crate) fn thunk_before(&self, function: usize) -> Option<usize> {
        self.places.binary_search(&function).ok()
    }

    /// How many thunks go between other functions.
    pub(crate) fn thunks(&self) -> usize {
        self.places.len()
    }

    /// Puts the functions of a module in this order, and names them by their new numbers.
    pub(crate) fn put(&self, module: &mut Module) {
        self.put_all_but_bodies(module);
        if let Some(code) = module.code_section_mut() {
            self.sort(code.bodies_mut());
        }
    }

    /// Does the same, but leaves the bodies where they are.
    pub(crate) fn put_all_but_bodies(&self, module: &mut Module) {
        if let Some(functions) = module.function_section_mut() {
            self.sort(functions.entries_mut());
        }
        let bodies = module.code_section_mut().map(|section| section.bodies_mut());
        for body in bodies.into_iter().flatten() {
            for instruction in body.code_mut().elements_mut() {
                if let Instruction::Call(function) = instruction {
                    *function = self.number(*function);
                }
            }
        }
        let exports = module.export_section_mut().map(|section| section.entries_mut());
        for export in exports.into_iter().flatten() {
            if let Internal::Function(function) = export.internal_mut() {
                *function = self.number(*function);
            }
        }
        let elements = module.elements_section_mut().map(|section| section.entries_mut());
        for function in elements.into_iter().flatten().flat_map(|segment| segment.members_mut()) {
            *function = self.number(*function);
        }
    }

    /// Sorts what there is of each function.
    fn sort<T>(&self, functions: &mut Vec<T>) {
        let mut numbered: Vec<_> = functions
            .drain(..)
            .enumerate()
            .map(|(at, function)| (self.number((self.imported + at) as u32), function))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        functions.extend(numbered.into_iter().map(|(_, function)| function));
    }
}

/// The lengths of a module's bodies, as they are written.
///
/// # Errors
///
/// When one can't be written.
pub(crate) fn lens(module: &Module) -> Result<Vec<usize>, String> {
    let bodies = module.code_section().map(|section| section.bodies()).unwrap_or_default();
    let bodies = bodies.iter().map(|body| serialize(body.clone()));
    bodies.map(|body| Ok(body.map_err(|error| error.to_string())?.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use pvf_host_core::primitives::ExecutorParams;
    use std::fmt::Write;
    use wasm_instrument::parity_wasm::elements::{FuncBody, deserialize_buffer};

    /// So many functions behind an imported one, each of which calls the one before. Every `nth` is in
    /// the table, and the first and the last are exported. How long each is `len` says.
    fn code(functions: usize, nth: usize, len: impl Fn(usize) -> usize) -> Vec<u8> {
        let mut text = format!("(import \"env\" \"f\" (func)) (table {functions} funcref)");
        for at in 0..functions {
            write!(text, "(func {} (call {at}))", "nop ".repeat(len(at))).unwrap();
            if at % nth == 0 {
                write!(text, "(elem (i32.const {at}) {})", at + 1).unwrap();
            }
        }
        write!(text, "(export \"first\" (func 1)) (export \"last\" (func {functions}))").unwrap();
        wat::parse_str(format!("(module {text})")).unwrap()
    }

    fn read(code: &[u8]) -> Module {
        deserialize_buffer(code).unwrap()
    }

    fn bodies(module: &Module) -> &[FuncBody] {
        module.code_section().unwrap().bodies()
    }

    /// The module that the stack limiter makes of code, and the order for its functions.
    fn limited(code: &[u8]) -> (Module, Order) {
        let module = read(code);
        let lens = lens(&module).unwrap();
        let limit = ExecutorParams::default().stack_logical_max();
        let module = wasm_instrument::inject_stack_limiter(module, limit).unwrap();
        let order = Order::new(&module, &lens);
        (module, order)
    }

    /// All numbers of functions in a module.
    fn numbers(module: &Module) -> impl Iterator<Item = u32> {
        let numbers = 0..module.functions_space() as u32;
        assert_eq!(module.import_count(ImportCountType::Function), 1);
        numbers
    }

    #[test]
    fn every_function_has_one_number_and_its_own_keep_their_order() {
        let (module, order) = limited(&code(100, 3, |_| 0));
        let mut new: Vec<_> = numbers(&module).map(|number| order.number(number)).collect();
        assert_eq!(new[0], 0, "an imported one");
        assert!(new[..=100].is_sorted() && new[101..].is_sorted());
        new.sort_unstable();
        assert!(new.into_iter().eq(numbers(&module)));
        let behind_all = module.functions_space() as u32;
        assert_eq!(order.number(behind_all), behind_all, "there is none with that number");
    }

    #[test]
    fn the_shortest_two_of_each_stretch_have_a_thunk_before_them() {
        // One alone, and two in a row.
        let is_short = |at: usize| matches!(at % 16, 2 | 7 | 8);
        let (module, order) = limited(&code(128, 3, |at| if is_short(at) { 0 } else { 5 }));
        assert_eq!(bodies(&module).len(), 128 + 44, "a thunk for each third, and the last");
        assert_eq!(order.places, [7, 23, 39, 55, 71, 87, 103, 119]);
        let new: Vec<_> = numbers(&module).map(|number| order.number(number)).collect();
        assert_eq!(new[7..10], [7, 9, 10], "the thunk is function 8");
        assert_eq!(new[129..131], [8, 25], "and so on");
        assert_eq!(new[137..], (137..173).collect::<Vec<_>>(), "the others stay");
    }

    #[test]
    fn code_with_a_body_that_could_get_too_long_stays_in_order() {
        let order = |len| limited(&code(20, 1, |at| if at == 3 { len } else { 0 })).1;
        // A body has a call, an end, no locals and its own length besides.
        assert!(!order(LONGEST - 7).places.is_empty());
        assert!(order(LONGEST - 6).places.is_empty());
    }

    #[test]
    fn no_more_thunks_move_than_there_are() {
        let order = |functions, nth| limited(&code(functions, nth, |_| 0)).1;
        assert_eq!(order(100, 50).places.len(), 3);
        assert_eq!(order(100, 50).thunks(), 3);
        assert_eq!(order(1, 1).places, [0]);
        let empty = read(b"\0asm\x01\0\0\0");
        assert!(Order::new(&empty, &[]).places.is_empty());
    }

    /// What is named by a number is the same function under its new one.
    #[test]
    fn only_numbers_change() {
        // Some numbers take one byte before, and two behind.
        let code = code(200, 2, |at| at * 7 % 11);
        let (old, order) = limited(&code);
        let mut new = old.clone();
        order.put(&mut new);
        let types = |module: &Module| module.function_section().unwrap().entries().to_vec();
        for (at, body) in bodies(&old).iter().enumerate() {
            let place = order.number(1 + at as u32) as usize - 1;
            let mut expected = body.clone();
            for instruction in expected.code_mut().elements_mut() {
                if let Instruction::Call(function) = instruction {
                    *function = order.number(*function);
                }
            }
            assert_eq!(bodies(&new)[place], expected, "{at}");
            assert_eq!(types(&new)[place], types(&old)[at], "{at}");
        }
        let in_table = |module: &Module| {
            let segments = module.elements_section().unwrap().entries().to_vec();
            segments.iter().flat_map(|segment| segment.members().to_vec()).collect::<Vec<_>>()
        };
        let renumbered: Vec<_> = in_table(&old).iter().map(|at| order.number(*at)).collect();
        assert_eq!(in_table(&new), renumbered);
        assert_ne!(in_table(&new), in_table(&old));
        let exported = |module: &Module| {
            let exports = module.export_section().unwrap().entries().to_vec();
            let numbers = exports.iter().map(|export| match export.internal() {
                Internal::Function(function) => *function,
                _ => panic!(),
            });
            numbers.collect::<Vec<_>>()
        };
        let renumbered: Vec<_> = exported(&old).iter().map(|at| order.number(*at)).collect();
        assert_eq!(exported(&new), renumbered);
        assert_ne!(exported(&new), exported(&old));

        // And this is what rewriting does.
        let params = ExecutorParams::default();
        let rewritten = Code::read(&code, &params).unwrap();
        let rewritten = rewritten.rewrite(&params, |wasm| crate::validate(wasm, &params)).unwrap();
        assert!(rewritten.wasm == new.into_bytes().unwrap());
        crate::validate(&rewritten.wasm, &params).unwrap();
    }
}
