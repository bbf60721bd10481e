//! What the imports of rewritten code are linked to, the same with every engine.

use pvf_host_core::{backend::RuntimeConstructionError, primitives::ExecutorParams};
use pvf_host_functions::{HostFunction, IMPORT_MODULE, MissingFunction};

/// What an import is linked to. `T` is how the engine describes a function's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import<T> {
    /// To a host function. If that has another type than the import, the code can't be linked.
    Offered(&'static HostFunction),
    /// To a function of this type, a call of which fails with this error.
    Missing(MissingFunction, T),
}

impl<T> Import<T> {
    /// What an import of this name out of this module is linked to. `ty` is the type of a function,
    /// and None if something else is imported; `has_type` says whether a host function is of it.
    ///
    /// # Errors
    ///
    /// When it is an import that no PVF can have.
    pub fn find(
        (module, name): (&str, &str),
        ty: Option<T>,
        has_type: impl FnOnce(&HostFunction, &T) -> bool,
        params: &ExecutorParams,
    ) -> Result<Self, RuntimeConstructionError> {
        let refuse =
            |why: &str| RuntimeConstructionError(format!("import of {module}.{name}: {why}"));
        if module != IMPORT_MODULE {
            return Err(refuse(&format!("there are only imports from the module {IMPORT_MODULE}")));
        }
        let ty = ty.ok_or_else(|| refuse("it is no function"))?;
        let function = HostFunction::find(name);
        let offered = function.filter(|it| it.is_offered(params, has_type(it, &ty)));
        Ok(match offered {
            Some(function) => Self::Offered(function),
            None => Self::Missing(MissingFunction(name.to_owned()), ty),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANIC_HANDLER: &str = "ext_panic_handler_abort_on_panic_version_1";
    const MALLOC: &str = "ext_allocator_malloc_version_1";

    /// Of a function, or of something else, whose type is that of the host function or not.
    fn find(module: &str, name: &str, matching: Option<bool>) -> Result<Import<bool>, String> {
        let import = (module, name);
        Import::find(import, matching, |_, matching| *matching, &ExecutorParams::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_import_is_offered_or_missing() {
        let missing = |name: &str, ty| Ok(Import::Missing(MissingFunction(name.into()), ty));
        for matching in [false, true] {
            let malloc = HostFunction::find(MALLOC).unwrap();
            assert_eq!(find("env", MALLOC, Some(matching)), Ok(Import::Offered(malloc)));
            assert_eq!(find("env", "unknown", Some(matching)), missing("unknown", matching));
        }
        let handler = HostFunction::find(PANIC_HANDLER).unwrap();
        assert_eq!(find("env", PANIC_HANDLER, Some(true)), Ok(Import::Offered(handler)));
        assert_eq!(find("env", PANIC_HANDLER, Some(false)), missing(PANIC_HANDLER, false));
    }

    #[test]
    fn only_functions_of_one_module_can_be_imported() {
        for name in [MALLOC, "unknown"] {
            let module = format!("import of m.{name}: there are only imports from the module env");
            assert_eq!(find("m", name, Some(true)), Err(module.clone()));
            assert_eq!(find("m", name, None), Err(module));
            let kind = format!("import of env.{name}: it is no function");
            assert_eq!(find("env", name, None), Err(kind));
        }
    }
}
