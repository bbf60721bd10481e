//! Where the engine has no compiler there is no shortcut.

use crate::{instance::Call, stand_in::StandIns};
use polkavm::{CustomCodegen, InterruptKind, Module, ProgramBlob, RawInstance};
use polkavm_assembler::Assembler;
use std::ptr::NonNull;

/// The compiled code's way to host functions, of which there is none.
pub(crate) struct Shortcut;

impl Shortcut {
    pub(crate) fn new(_: bool) -> Self {
        Self
    }

    pub(crate) fn codegen<'a>(
        &self,
        _: impl Iterator<Item = Option<&'a str>>,
        _: &StandIns,
        _: bool,
    ) -> Codegen {
        Codegen
    }

    pub(crate) fn check(&self, _: &Module) -> bool {
        true
    }

    pub(crate) fn find_memory(
        &mut self,
        _: &ProgramBlob,
        _: &mut RawInstance,
    ) -> Result<bool, polkavm::Error> {
        Ok(true)
    }

    pub(crate) fn memory(&self) -> Option<NonNull<u8>> {
        None
    }

    pub(crate) fn run(
        &mut self,
        instance: &mut RawInstance,
        _: &mut Call,
        _: u32,
    ) -> Result<InterruptKind, polkavm::Error> {
        instance.run()
    }
}

/// Adds no instruction.
pub(crate) struct Codegen;

impl CustomCodegen for Codegen {
    fn should_emit_ecalli(&self, _: u32, _: &mut Assembler) -> bool {
        true
    }
}
