//! `pvf cache`: what is in the cache, is it sound, and make room in it.
//!
//! Listing and verifying need no lock and may be done beside a running host. Pruning and clearing
//! take the cache for themselves.

use crate::{
    cli::{Cache as Args, CacheAction},
    failure::{Answer, Failure},
    input, output,
    output::Table,
    units,
};
use pvf_host_core::artifact::{
    Cache, CacheEntry, CacheLock, EntryContent, EnvironmentDirectory, PruneLimits, prune,
};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, SystemTime},
};

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer, Failure> {
    let directory = input::cache_dir(args.cache.cache_dir.as_deref())?;
    match &args.action {
        CacheAction::List => list(&directory, json),
        CacheAction::Verify => verify(&directory, json),
        CacheAction::Prune { max_size, min_age } => {
            let limits = PruneLimits::new(*max_size, *min_age);
            remove(&directory, json, |entries| prune_entries(entries, &limits))
        }
        CacheAction::Clear => remove(&directory, json, |entries| entries),
    }
}

fn prune_entries(entries: Vec<CacheEntry>, limits: &PruneLimits) -> Vec<CacheEntry> {
    let entries = entries.into_iter().map(|entry| {
        let (size, last_needed) = (entry.total_size(), entry.last_needed);
        (entry, size, last_needed)
    });
    prune(entries, limits, SystemTime::now())
}

#[derive(Debug, Serialize)]
struct EnvironmentJson {
    environment: String,
    path: String,
    /// When a host was started in it last.
    last_start_unix_s: Option<u64>,
    /// What it is made of.
    inputs: BTreeMap<String, String>,
    #[serde(skip)]
    last_start: Option<SystemTime>,
    entries: Vec<EntryJson>,
}

#[derive(Debug, Serialize)]
struct EntryJson {
    state: &'static str,
    backend: String,
    code_hash: String,
    prep_hash: String,
    size_bytes: u64,
    /// The length of the file of compiled functions that is kept beside it.
    functions_bytes: Option<u64>,
    last_needed_unix_s: u64,
    /// What is wrong with it, or why the code can't be prepared.
    problem: Option<String>,
    #[serde(skip)]
    age: Duration,
}

impl EntryJson {
    fn of(entry: &CacheEntry) -> Self {
        let (state, problem) = match &entry.content {
            Ok(EntryContent::Artifact(_)) => ("artifact", None),
            Ok(EntryContent::Failure(error, _)) => ("failure", Some(error.to_string())),
            Err(problem) => ("damaged", Some(problem.to_string())),
        };
        Self {
            state,
            backend: entry.id.backend.to_string(),
            code_hash: entry.id.code_hash.to_string(),
            prep_hash: entry.id.prep_hash.to_string(),
            size_bytes: entry.size,
            functions_bytes: entry.functions.as_ref().map(|functions| functions.size),
            last_needed_unix_s: units::unix_seconds(entry.last_needed),
            problem,
            age: entry.last_needed.elapsed().unwrap_or_default(),
        }
    }
}

fn list(directory: &Path, json: bool) -> Result<Answer, Failure> {
    let environments = describe(directory, |_, entry| EntryJson::of(entry))?;
    print(directory, &environments, json)?;
    Ok(Answer::Yes)
}

fn verify(directory: &Path, json: bool) -> Result<Answer, Failure> {
    let environments = describe(directory, |environment, entry| {
        let mut description = EntryJson::of(entry);
        if description.state == "artifact"
            && let Err(problem) =
                environment.read(entry).and_then(|_| environment.check_functions(entry))
        {
            (description.state, description.problem) = ("damaged", Some(problem.to_string()));
        }
        description
    })?;
    print(directory, &environments, json)?;
    let mut entries = environments.iter().flat_map(|environment| &environment.entries);
    Ok(if entries.any(|entry| entry.state == "damaged") { Answer::No } else { Answer::Yes })
}

fn describe(
    directory: &Path,
    describe: impl Fn(&EnvironmentDirectory, &CacheEntry) -> EntryJson,
) -> Result<Vec<EnvironmentJson>, Failure> {
    let unreadable = |error| unusable(directory, "read", &error);
    let environments = Cache::new(directory).environments().map_err(unreadable)?;
    environments
        .into_iter()
        .map(|environment| {
            let entries = environment.entries().map_err(unreadable)?;
            let (inputs, last_start) = environment.last_start().unzip();
            let inputs = inputs.map(|inputs| inputs.inputs()).unwrap_or_default();
            Ok(EnvironmentJson {
                last_start_unix_s: last_start.map(units::unix_seconds),
                inputs: inputs.into_iter().map(|input| (input.name, input.value)).collect(),
                last_start,
                environment: environment.digest().to_string(),
                path: environment.path().display().to_string(),
                entries: entries.iter().map(|entry| describe(&environment, entry)).collect(),
            })
        })
        .collect()
}

fn print(directory: &Path, environments: &[EnvironmentJson], json: bool) -> Result<(), Failure> {
    if json {
        let cache_dir = directory.display().to_string();
        return output::json(&json!({ "cache_dir": cache_dir, "environments": environments }));
    }
    let entries = || environments.iter().flat_map(|environment| &environment.entries);
    let mut text = String::new();
    for environment in environments {
        let last_start = environment
            .last_start
            .map(|when| format!(", last start {}", age(when.elapsed().unwrap_or_default())));
        let last_start = last_start.unwrap_or_default();
        text += &format!("environment {}{last_start}\n", environment.environment);
        let mut table = Table::default();
        table.row(["STATE", "BACKEND", "SIZE", "NEEDED", "CODE", ""]);
        for entry in &environment.entries {
            table.row([
                entry.state,
                &entry.backend,
                &units::size(entry.size_bytes),
                &age(entry.age),
                &entry.code_hash,
                entry.problem.as_deref().unwrap_or_default(),
            ]);
        }
        text += &table.to_string();
        text.push('\n');
    }
    let functions = || entries().filter_map(|entry| entry.functions_bytes);
    let total = entries().map(|entry| entry.size_bytes).sum::<u64>() + functions().sum::<u64>();
    let files = entries().count() + functions().count();
    text += &format!("{}: {files} files, {}\n", directory.display(), units::size(total));
    output::print(&text)
}

pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// Removes the entries that `choose` chooses.
fn remove(
    directory: &Path,
    json: bool,
    choose: impl FnOnce(Vec<CacheEntry>) -> Vec<CacheEntry>,
) -> Result<Answer, Failure> {
    let removed = if directory.exists() {
        let lock = CacheLock::acquire(directory).map_err(|error| Failure::from(&error))?;
        remove_locked(lock, choose).map_err(|error| unusable(directory, "change", &error))?
    } else {
        // Taking the lock would make the directory.
        vec![]
    };
    let bytes: u64 = removed.iter().map(CacheEntry::total_size).sum();
    if json {
        output::json(&json!({ "removed": removed.len(), "removed_bytes": bytes }))?;
    } else {
        output::print(&format!("removed {} files, {}\n", removed.len(), units::size(bytes)))?;
    }
    Ok(Answer::Yes)
}

fn remove_locked(
    lock: CacheLock,
    choose: impl FnOnce(Vec<CacheEntry>) -> Vec<CacheEntry>,
) -> io::Result<Vec<CacheEntry>> {
    let mut entries = Vec::new();
    for environment in lock.cache().environments()? {
        entries.extend(environment.entries()?);
    }
    let all = entries.len();
    let chosen = choose(entries);
    if chosen.len() == all {
        // Nothing is kept: the directories go too, and what killed hosts left unfinished.
        lock.clear()?;
    } else {
        chosen.iter().try_for_each(|entry| lock.remove(entry))?;
    }
    Ok(chosen)
}

pub(crate) fn unusable(directory: &Path, what: &str, error: &io::Error) -> Failure {
    let message = format!(
        "can't {what} the cache {}: {error}\n  hint: name another directory with --cache-dir",
        directory.display()
    );
    Failure::runtime("cache_unusable", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_in_one_unit() {
        for (seconds, text) in
            [(5, "5 s ago"), (600, "10 min ago"), (90_000, "25 h ago"), (864_000, "10 days ago")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
