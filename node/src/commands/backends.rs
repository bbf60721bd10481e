//! `pvf backends`: what can this program execute?

use crate::{
    failure::{Answer, Failure},
    features::{self, FEATURES},
    output::{self, Table},
};
use pvf_host_core::backend::{self, BackendDescriptor, CodePrefix};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Debug, Serialize)]
struct BackendJson {
    id: String,
    version: &'static str,
    formats: Vec<&'static str>,
}

pub(crate) fn run(json: bool) -> Result<Answer, Failure> {
    let backends: Vec<_> = backend::linked().into_iter().map(BackendJson::of).collect();
    if json {
        output::json(&serde_json::json!({ "backends": backends }))?;
    } else if backends.is_empty() {
        output::print(&format!("none; {}\n", features::none_linked()))?;
    } else {
        let mut table = Table::default();
        table.row(["BACKEND", "VERSION", "TAKES"]);
        for backend in backends {
            table.row([&backend.id, backend.version, &backend.formats.join(", ")]);
        }
        output::print(&table.to_string())?;
    }
    Ok(Answer::Yes)
}

impl BackendJson {
    fn of(backend: &BackendDescriptor) -> Self {
        let accepted = |start: &[u8]| (backend.accepts)(&CodePrefix::of(start));
        let formats = FEATURES.iter().filter(|feature| accepted(feature.magic));
        // Two features may be for one format.
        let formats: BTreeSet<_> = formats.map(|feature| feature.format).collect();
        Self {
            id: backend.id.to_string(),
            version: backend.version,
            formats: formats.into_iter().collect(),
        }
    }
}
