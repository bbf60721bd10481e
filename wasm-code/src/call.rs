//! Calls into rewritten code: in which order what happens, and what its end means, is the same for
//! every engine.

use crate::{Form, GAS_LEFT, Guest, START, Store, gas_left};
use pvf_host_core::{
    backend::{
        Artifact, ExecuteError, GuestLog, LoadError, LoadedArtifact, RuntimeConstructionError,
    },
    primitives::ExecutorParams,
};
use pvf_host_functions::{CallState, FatPointer, GuestContext, GuestMemory};
use std::{fmt, panic::resume_unwind};

/// The exported memory.
const MEMORY: &str = "memory";
/// The exported global where the heap begins.
const HEAP_BASE: &str = "__heap_base";

/// Code in memory, with all its imports.
pub trait Linked {
    /// What can be called.
    type Instance: Instance;

    /// Makes an instance. Runs no code of the guest.
    ///
    /// # Errors
    ///
    /// What it means for the verdict that there is none.
    fn instantiate(&self, log: Box<dyn GuestLog>) -> Result<Self::Instance, ExecuteError>;
}

/// An instance of rewritten code, with its [`State`](crate::State).
pub trait Instance {
    /// An exported function of type (i32, i32) -> i64.
    type Function;

    /// The guest, as host functions see it.
    fn guest(&mut self) -> Guest<impl Store>;

    /// Whether there is an export of this name, of whichever kind.
    fn is_exported(&mut self, name: &str) -> bool;

    /// Lets host functions see the exported memory of this name. Before that they see none. None if
    /// there is no such memory.
    fn show_memory(&mut self, name: &str) -> Option<()>;

    /// The value of an exported global of type i32.
    fn global_i32(&mut self, name: &str) -> Option<i32>;

    /// The value of an exported global of type i64.
    fn global_i64(&mut self, name: &str) -> Option<i64>;

    /// Sets an exported global of type i64. None if there is no such global.
    fn set_global_i64(&mut self, name: &str, value: i64) -> Option<()>;

    /// The exported function of this name, if it has that type.
    fn function(&mut self, name: &str) -> Option<Self::Function>;

    /// Calls it.
    ///
    /// # Errors
    ///
    /// What it means for the verdict that it does not return.
    fn call(&mut self, function: &Self::Function, input: FatPointer) -> Result<u64, ExecuteError>;

    /// Calls the exported function of this name, which takes nothing and returns nothing.
    ///
    /// # Errors
    ///
    /// What it means for the verdict that it does not return.
    fn call_start(&mut self, name: &str) -> Result<(), ExecuteError>;
}

/// Splits an artifact, which is something followed by the byte of its [`Form`].
///
/// # Errors
///
/// When it is not of the form that it has with these parameters.
pub fn split<'a>(
    artifact: &'a Artifact,
    params: &ExecutorParams,
) -> Result<(&'a [u8], Form), RuntimeConstructionError> {
    let split = artifact.bytes().split_last();
    split
        .and_then(|(byte, bytes)| Some((bytes, Form::from_byte(*byte)?)))
        .filter(|(_, form)| form.is_metered() == params.max_gas().is_some())
        .ok_or_else(|| RuntimeConstructionError("not an artifact of this backend".into()))
}

/// Code in memory, and usually an instance of it.
pub struct Loaded<L: Linked> {
    linked: L,
    form: Form,
    /// What there is for each call, if the code counts it.
    max_gas: Option<u64>,
    next: Next<L::Instance>,
    /// The instance of the last call, and the function that was called. Dropping the one would unmap its
    /// memory: a system call, which a job may not be allowed to make, and need not. Dropping the other
    /// would count down in pages that a job then had to copy.
    last: Option<L::Instance>,
    called: Option<<L::Instance as Instance>::Function>,
    gas_used: Option<u64>,
}

impl<L: Linked> fmt::Debug for Loaded<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("form", &self.form)
            .field("max_gas", &self.max_gas)
            .field("next", &self.next)
            .field("gas_used", &self.gas_used)
            .finish_non_exhaustive()
    }
}

/// What the next call begins with.
enum Next<I: Instance> {
    /// An instance that nobody has called into, and what was [looked up](look_up) in it.
    Ready(I, Option<LookedUp<I::Function>>),
    /// The code can't be instantiated, and never will be.
    Fail(ExecuteError),
    /// Making an instance.
    Instantiate,
}

/// A function that was looked up ahead of its call.
struct LookedUp<F> {
    name: String,
    found: Result<F, ExecuteError>,
}

impl<I: Instance> fmt::Debug for Next<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_, None) => "Ready",
            Self::Ready(_, Some(_)) => "Ready, looked up",
            Self::Fail(_) => "Fail",
            Self::Instantiate => "Instantiate",
        })
    }
}

impl<L: Linked> Loaded<L> {
    /// Instantiates code in this form ahead of the first call.
    ///
    /// # Errors
    ///
    /// When that says nothing about the code.
    pub fn new(linked: L, form: Form, params: &ExecutorParams) -> Result<Self, LoadError> {
        let max_gas = params.max_gas();
        let next = match instantiate(&linked, max_gas, Box::new(())) {
            Ok(ready) => Next::Ready(ready, None),
            Err(ExecuteError::RuntimeConstruction(error)) => return Err(error.into()),
            Err(ExecuteError::Machine(error)) => return Err(error.into()),
            // The code's own doing, so every candidate's verdict.
            Err(error) => Next::Fail(error),
        };
        Ok(Self { linked, form, max_gas, next, last: None, called: None, gas_used: None })
    }
}

impl<L: Linked> LoadedArtifact for Loaded<L> {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        // None of it, as long as no code runs.
        self.gas_used = self.max_gas.map(|_| 0);
        if let Next::Fail(error) = &self.next {
            return Err(error.clone());
        }
        let (ready, looked_up) = match std::mem::replace(&mut self.next, Next::Instantiate) {
            Next::Ready(mut ready, looked_up) => {
                ready.guest().0.state_mut().log = log;
                (ready, looked_up)
            }
            Next::Instantiate | Next::Fail(_) => {
                (instantiate(&self.linked, self.max_gas, log)?, None)
            }
        };
        let instance = self.last.insert(ready);
        let started = if self.form.has_start() { instance.call_start(START) } else { Ok(()) };
        let found = started.and_then(|()| match looked_up {
            Some(LookedUp { name, found }) if name == entry_point => found,
            _ => look_up(instance, entry_point),
        });
        let result = found.and_then(|it| call(instance, self.called.insert(it), input));
        if let Some(panic) = instance.guest().0.state_mut().panic.take() {
            resume_unwind(panic);
        }
        let Some(max_gas) = self.max_gas else { return result };
        let left = instance.global_i64(GAS_LEFT).and_then(gas_left);
        // All of it, when something cost more than was left.
        self.gas_used = Some(max_gas.saturating_sub(left.unwrap_or(0)));
        // Nothing of the guest's ran after that, whatever the error says.
        if left.is_none() { Err(ExecuteError::OutOfGas) } else { result }
    }

    fn prepare_call(&mut self, entry_point: &str) {
        // A start function sees no memory, and comes before whatever is lacking.
        if !self.form.has_start()
            && let Next::Ready(instance, looked_up) = &mut self.next
        {
            let found = look_up(instance, entry_point);
            *looked_up = Some(LookedUp { name: entry_point.to_owned(), found });
        }
    }

    fn gas_used(&self) -> Option<u64> {
        self.gas_used
    }
}

/// Makes an instance, and fills it up with gas.
fn instantiate<L: Linked>(
    linked: &L,
    max_gas: Option<u64>,
    log: Box<dyn GuestLog>,
) -> Result<L::Instance, ExecuteError> {
    let mut instance = linked.instantiate(log)?;
    if let Some(max_gas) = max_gas {
        instance.set_global_i64(GAS_LEFT, max_gas.cast_signed()).ok_or_else(|| {
            RuntimeConstructionError("the artifact does not count its gas".into())
        })?;
    }
    Ok(instance)
}

/// Finds what a call of the exported function `name` needs, and has host functions see it. After a start
/// function, if there is one.
fn look_up<I: Instance>(instance: &mut I, name: &str) -> Result<I::Function, ExecuteError> {
    instance.show_memory(MEMORY).ok_or_else(|| lacks(instance, MEMORY, "memory"))?;
    let heap_base = instance.global_i32(HEAP_BASE);
    let heap_base = heap_base.ok_or_else(|| lacks(instance, HEAP_BASE, "global of type i32"))?;
    let function = instance.function(name);
    let function = function.ok_or_else(|| lacks(instance, name, "function (i32, i32) -> i64"))?;

    // The rest of the state lasts from the start function on.
    instance.guest().state().allocator = CallState::new(heap_base.cast_unsigned()).allocator;
    Ok(function)
}

fn call<I: Instance>(
    instance: &mut I,
    function: &I::Function,
    input: &[u8],
) -> Result<Vec<u8>, ExecuteError> {
    let injected = instance.guest().allocate_and_write(input);
    let argument = injected.map_err(|error| {
        // It may be the machine that could not grow the memory.
        let failure = instance.guest().0.state_mut().failure.take();
        failure.unwrap_or_else(|| error.for_input(input.len()))
    })?;

    let FatPointer { ptr, len } = instance.call(function, argument)?.into();
    // The bounds are checked before anything is reserved for the copy.
    let output = instance.guest().bytes(ptr, len).map(|output| output.into_owned());
    output.map_err(|_| {
        ExecuteError::InvalidOutput(format!("output of {len} bytes at {ptr} exceeds the memory"))
    })
}

/// That there is no export of this name and kind.
fn lacks(instance: &mut impl Instance, name: &str, kind: &str) -> ExecuteError {
    ExecuteError::InvalidOutput(if instance.is_exported(name) {
        format!("{name} is not a {kind}")
    } else {
        format!("{name} is not exported")
    })
}
