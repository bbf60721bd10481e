// What can be broken inside of the example of a backend. Of each break: its name; the file in the
// example's `src`, what stands there, and what takes its place, `[[` and `]]` being around it where
// more has to be said to find it; and the tests that have to fail.
breaks! {
    // Memory.
    "twice-the-memory": {
        "instance.rs": "Ok([[self.state.allows_memory(bytes)]])"
            => "self.state.allows_memory(bytes / 2)";
    } ["limits::the_default_limit_is_2080_pages", "webassembly::memory_as_recorded"]
    "a-page-less": {
        "instance.rs": "Ok([[self.state.allows_memory(bytes)]])"
            => "self.state.allows_memory(bytes + 65_536)";
    } ["webassembly::memory_as_recorded", "limits::an_allocation_above_the_limit_traps"]
    "a-page-more": {
        "instance.rs": "Ok([[self.state.allows_memory(bytes)]])"
            => "self.state.allows_memory(bytes.saturating_sub(65_536))";
    } ["webassembly::memory_as_recorded"]
    "memory-limit-of-no-parameter": {
        "load.rs": "page_limit: [[params.memory_pages_limit()]]" => "2080";
    } ["limits::memory_ends_at_the_limit", "limits::the_last_memory_limit_counts"]
    "too-much-initial-memory-traps": {
        "instance.rs": "Ok([[self.state.allows_memory(bytes)]])" => "
            let allowed = self.state.allows_memory(bytes);
            let failure = self.state.failure.take();
            self.state.failure = failure.map(|_| ExecuteError::Trap(String::new()));
            allowed
        ";
    } ["webassembly::memory_as_recorded"]
    "too-much-initial-memory-is-ours": {
        "instance.rs": "Ok([[self.state.allows_memory(bytes)]])" => "
            let allowed = self.state.allows_memory(bytes);
            self.state.failure = None;
            allowed
        ";
    } ["webassembly::memory_as_recorded", "webassembly::modules_as_recorded"]
    "the-host-grows-by-a-page-more": {
        "instance.rs": "self.0.data().memory?.grow(&mut self.0, pages.into()).ok()"
            => "self.0.data().memory?.grow(&mut self.0, (pages + 1).into()).ok()";
    } ["webassembly::memory_as_recorded"]
    "the-host-can-not-grow": {
        "instance.rs": "self.0.data().memory?.grow(&mut self.0, pages.into()).ok()"
            => "let _ = pages; None";
    } ["calls::a_large_input_reaches_the_guest", "guests::memory_hog"]
    // The machine's lack of it.
    "the-guest-sees-a-lack-of-memory": {
        "instance.rs": "OutOfSystemMemory => [[self.fail(error)]]" => "Ok(())";
    } ["forks::too_little_memory_is_the_machines"]
    "a-lack-of-memory-traps": {
        "instance.rs": "self.state.failure = [[Some(MachineError(error.to_string()).into())]]"
            => "Some(ExecuteError::Trap(error.to_string()))";
    } ["forks::too_little_memory_is_the_machines"]
    // Tables.
    "tables-of-any-size": {
        "instance.rs": "Ok([[elements <= MAX_TABLE]])" => "true";
    } ["webassembly::a_huge_table_is_not_the_machines"]
    "small-tables": {
        "instance.rs": "Ok([[elements <= MAX_TABLE]])" => "elements <= 8";
    } ["webassembly::tables_as_recorded"]
    // What errors mean.
    "failures-are-forgotten": {
        "instance.rs": "if let Some(failure) = [[state.failure.take()]]" => "None::<ExecuteError>";
    } ["host_functions::pointers_out_of_bounds_trap", "webassembly::modules_as_recorded"]
    "elements-do-not-fit-and-are-ours": {
        "instance.rs": "Some(TrapCode::TableOutOfBounds)" => "None";
    } ["webassembly::tables_as_recorded"]
    "panics-without-words": {
        "instance.rs": "state.call.failed_as_unreachable(error)"
            => "ExecuteError::Trap(error.to_string())";
    } ["guests::panicker"]
    "traps-are-ours-inside": {
        "instance.rs": "Some(trap) => [[ExecuteError::Trap(trap.to_string())]]"
            => "RuntimeConstructionError(trap.to_string()).into()";
    } ["webassembly::traps_as_recorded", "guests::recursion"]
    "unknown-errors-trap": {
        "instance.rs": "None => [[RuntimeConstructionError(error.to_string()).into()]]"
            => "ExecuteError::Trap(error.to_string())";
    } ["webassembly::modules_as_recorded"]
    "unknown-errors-are-the-machines": {
        "instance.rs": "None => [[RuntimeConstructionError(error.to_string()).into()]]"
            => "MachineError(error.to_string()).into()";
    } ["webassembly::modules_as_recorded"]
    "no-instance-is-ours": {
        "load.rs": "Err(error) => Err([[classify(&error, &mut store.data_mut().state)]])"
            => "RuntimeConstructionError(error.to_string()).into()";
    } ["webassembly::tables_as_recorded", "webassembly::memory_as_recorded"]
    "no-link-is-the-machines": {
        "load.rs": "link(wasm, params).map_err(|error| RuntimeConstructionError(error.to_string()))?"
            => "
                use pvf_host_core::backend::MachineError;
                link(wasm, params).map_err(|error| MachineError(error.to_string()))?
            ";
    } ["webassembly::modules_as_recorded"]
    // Imports.
    "imports-of-any-module": {
        "load.rs": "Import::find([[(import.module(), name)]]" => "(IMPORT_MODULE, name)";
        "load.rs": "linker.func_new([[IMPORT_MODULE]], name" => "import.module()";
    } ["webassembly::modules_as_recorded"]
    "imports-of-any-type": {
        "load.rs": "type_of(function) == *ty" => "true";
    } ["webassembly::modules_as_recorded"]
    "imports-left-out": {
        "load.rs": "linker.func_new(IMPORT_MODULE, [[name]], ty" => "\"another\"";
    } ["host_functions::every_function_is_there", "webassembly::modules_as_recorded"]
    "missing-functions-return": {
        "load.rs": "state.failure = [[Some((&missing).into())]]" => "None";
        "load.rs": "Err(Error::new(missing.to_string()))" => "Ok(())";
    } [
        "host_functions::functions_that_are_not_offered_link_and_trap",
        "webassembly::modules_as_recorded",
    ]
    "missing-functions-are-ours": {
        "load.rs": "state.failure = [[Some((&missing).into())]]" => "None";
    } [
        "host_functions::functions_that_are_not_offered_link_and_trap",
        "webassembly::modules_as_recorded",
    ]
    "no-name-is-imported-twice": {
        "load.rs": "linker.allow_shadowing([[true]])" => "false";
    } ["webassembly::modules_as_recorded"]
    // Calls.
    "arguments-the-other-way-round": {
        "instance.rs": "let result = [[function.call(&mut self.store, (input.ptr, input.len))]]"
            => "function.call(&mut self.store, (input.len, input.ptr))";
    } ["guests::adder", "webassembly::output_as_recorded"]
    "outputs-below-16-mib": {
        "instance.rs": "let result = [[function.call(&mut self.store, (input.ptr, input.len))]]"
            => "
                let result = function.call(&mut self.store, (input.ptr, input.len));
                result.map(|result| result & 0x00ff_ffff_ffff_ffff)
            ";
    } ["calls::a_large_output_is_complete", "webassembly::output_as_recorded"]
    "no-start-function": {
        "instance.rs": "let result = [[function.and_then(|function| function.call(&mut self.store, ()))]]"
            => "function.map(drop)";
    } ["webassembly::modules_as_recorded"]
    "a-start-function-may-fail": {
        "instance.rs": "let result = [[function.and_then(|function| function.call(&mut self.store, ()))]]"
            => "function.map(|function| { let _ = function.call(&mut self.store, ()); })";
    } ["webassembly::modules_as_recorded"]
    "the-heap-begins-elsewhere": {
        "instance.rs": "self.export(name)?.into_global()?.get(&self.store).i32()" => "Some(4096)";
    } ["webassembly::modules_as_recorded"]
    "logs-of-the-first-call-alone": {
        "load.rs": "State::new(self.page_limit, [[log]])" => "drop(log); Box::new(())";
    } ["logs::lines_go_where_the_call_says", "determinism::a_log_is_the_same_again"]
    // Gas.
    "a-unit-of-gas-more": {
        "instance.rs": "Val::I64([[value]])" => "value.saturating_add(1)";
    } ["gas::the_count_does_not_depend_on_the_limit", "gas::the_largest_limit_is_one"]
    "gas-without-a-limit": {
        "instance.rs": "Val::I64([[value]])" => "value | (1 << 61)";
    } ["gas::just_enough_is_enough", "gas::out_of_gas_has_used_the_limit"]
    "gas-left-is-less": {
        "instance.rs": "self.export(name)?.into_global()?.get(&self.store).i64()"
            => "self.export(name)?.into_global()?.get(&self.store).i64().map(|left| left / 2)";
    } ["gas::more_work_uses_more", "gas::the_count_does_not_depend_on_the_limit"]
    // Code.
    "compiles-when-called": {
        "lib.rs": "CompilationMode::Eager" => "CompilationMode::Lazy";
    } ["webassembly::reading_as_recorded"]
    "compiles-at-load": {
        "lib.rs": "Module::new(&engine(params), &wasm).map_err(|error| error.to_string())?;" => "";
    } ["webassembly::reading_as_recorded"]
    "any-proposal": {
        "lib.rs": "|wasm| [[validate(wasm, params)]]" => "let _ = wasm; Ok(())";
        "lib.rs": "validate(&wasm, params)" => "Ok::<_, String>(())";
    } ["webassembly::proposals_as_recorded"]
    "validates-once": {
        "lib.rs": "validate(&wasm, params)" => "Ok::<_, String>(())";
    } ["webassembly::proposals_as_recorded", "webassembly::reading_as_recorded"]
    "prevalidates-nothing": {
        "lib.rs": "Code::read(code, params).map(drop)" => "Ok(())";
    } ["prevalidation::garbage_is_refused"]
    // The engine's own stack.
    "a-native-stack-of-64-kib": {
        "lib.rs": "params.stack_native_max() as usize" => "1 << 16";
    } ["webassembly::stack_as_recorded"]
    "a-thousand-calls-deep": {
        "lib.rs": "set_max_recursion_depth([[stack / FRAME]])" => "1000";
    } ["guests::recursion", "webassembly::stack_as_recorded"]
    "twenty-thousand-calls-deep": {
        "lib.rs": "set_max_recursion_depth([[stack / FRAME]])" => "20_000";
    } ["webassembly::stack_as_recorded"]
}
