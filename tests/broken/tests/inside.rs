//! Backends that are broken inside: the example's source, with one of its breaks switched on.

use pvf_broken_backends::{
    example::{ID, Wasmi},
    switch,
};
use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Chosen, Execute, ExecuteError,
        Fingerprint, GuestLog, LoadError, LoadedArtifact, Prepare, find,
    },
    primitives::ExecutorParams,
};

macro_rules! breaks {
    ($($name:literal: { $($file:literal: $old:literal => $new:literal;)+ } [$($test:literal),* $(,)?])*) => {
        /// All of them, with their names and the tests that have to fail.
        pub(crate) const ALL: &[(BackendId, &[&str])] =
            &[$((BackendId::from_static($name), &[$($test),*])),*];

        $(inventory::submit! {
            BackendDescriptor::new(
                BackendId::from_static($name),
                "1",
                |prefix| prefix.starts_with(b"\0asm"),
                |params| fingerprint($name, params),
                &Broken($name),
                &Broken($name),
            )
            .with_chosen(Chosen::ByName)
        })*
    };
}

include!("../breaks.rs");

fn fingerprint(name: &str, params: &ExecutorParams) -> Result<Fingerprint, LoadError> {
    let example = find(&ID).expect("the example is linked");
    Ok(Fingerprint::of(&[name.as_bytes(), &(example.fingerprint)(params)?.0]))
}

/// The example, with the break of this name.
struct Broken(&'static str);

impl Broken {
    /// The example, with the break switched on.
    fn example(&self) -> Wasmi {
        let number = ALL.iter().position(|(id, _)| id.as_str() == self.0);
        switch(number.expect("it is one of them"));
        Wasmi
    }
}

impl Prepare for Broken {
    fn prevalidate(&self, code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
        self.example().prevalidate(code, params)
    }

    fn prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Vec<u8>, BackendPrepareError> {
        self.example().prepare(code, params)
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        self.example().check_runtime_construction(artifact, params)
    }
}

impl Execute for Broken {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        Ok(Box::new(Loaded(self.0, self.example().load(artifact, params)?)))
    }
}

struct Loaded(&'static str, Box<dyn LoadedArtifact>);

impl LoadedArtifact for Loaded {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        Broken(self.0).example();
        self.1.call(entry_point, input, log)
    }

    fn prepare_call(&mut self, entry_point: &str) {
        self.1.prepare_call(entry_point);
    }

    fn gas_used(&self) -> Option<u64> {
        self.1.gas_used()
    }
}
