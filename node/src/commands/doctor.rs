//! `pvf doctor`: is untrusted code kept in here? What do artifacts depend on, and did it change?

mod sandbox;
mod surroundings;

use crate::{
    cli::Doctor,
    commands::cache,
    failure::{Answer, Failure},
    input, output,
    output::Facts,
    session, units,
};
use pvf_host_core::{
    artifact::{Cache, EnvironmentInput},
    detect_environment,
};
use sandbox::{Diagnosis, SandboxJson};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct DoctorJson {
    environment: String,
    inputs: Vec<InputJson>,
    cache_dir: String,
    /// When a host was started on this cache last. Null if there was none.
    last_start_unix_s: Option<u64>,
    /// What has changed since. Null without a last start.
    changes: Option<Vec<String>>,
    sandbox: SandboxJson,
}

#[derive(Debug, Serialize)]
struct InputJson {
    name: String,
    value: String,
}

pub(crate) fn run(args: &Doctor, json: bool) -> Result<Answer, Failure> {
    let directory = input::cache_dir(args.cache.cache_dir.as_deref())?;
    let config = input::host_config(&directory, &args.worker)?
        .sandbox(input::sandbox_in(&args.control_group))
        .build()?;
    let (environment, diagnosis) = session::run(async |session| {
        session
            .unless_interrupted(async {
                let environment = detect_environment(&config).await?;
                Ok((environment, Diagnosis::make(&config).await?))
            })
            .await
    })?;
    let answer = if diagnosis.is_secure() { Answer::Yes } else { Answer::No };
    let last_start = Cache::new(&directory)
        .last_start()
        .map_err(|error| cache::unusable(&directory, "read", &error))?;

    let changes = last_start.as_ref().map(|(before, _)| environment.changes_since(before));
    let inputs = environment.inputs();
    if json {
        let inputs = inputs
            .into_iter()
            .map(|EnvironmentInput { name, value, .. }| InputJson { name, value });
        output::json(&DoctorJson {
            environment: environment.digest().to_string(),
            inputs: inputs.collect(),
            cache_dir: directory.display().to_string(),
            last_start_unix_s: last_start.map(|(_, when)| units::unix_seconds(when)),
            changes,
            sandbox: diagnosis.to_json(),
        })?;
        return Ok(answer);
    }
    let mut facts = Facts::default();
    facts.add("environment", environment.digest().to_string());
    for EnvironmentInput { name, value, .. } in inputs {
        facts.add(name, value);
    }
    facts.add("cache", directory.display().to_string());
    let last_start = last_start.map(|(_, when)| cache::age(when.elapsed().unwrap_or_default()));
    facts.add("last start", last_start.unwrap_or("none on this cache".into()));
    let (changed, changes) = match changes {
        None => ("", vec![]),
        Some(changes) if changes.is_empty() => ("nothing", vec![]),
        Some(changes) => ("what follows: all artifacts will be prepared anew", changes),
    };
    if !changed.is_empty() {
        facts.add("changed since", changed);
    }
    for change in changes {
        facts.add("", change);
    }
    output::print(&format!("{facts}\n{}", diagnosis.describe()))?;
    Ok(answer)
}
