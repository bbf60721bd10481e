//! `pvf replay`: a large corpus of candidates on two backends.

use crate::{
    case::{CaseFile, Format, corpus, formats_of},
    cli::Replay,
    compare::{
        json::DivergenceJson,
        measure::show_ratio,
        plan,
        replay::{self, MAX_SHOWN, Pair, Replayed, Times},
        text,
    },
    failure::{Answer, Failure},
    input,
    metrics::Measured,
    output::{self, Table},
    session::with_host,
    units,
};
use pvf_host_core::Config;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

pub(crate) fn run(args: &Replay, json: bool) -> Result<Answer, Failure> {
    let backends = plan::backends(&[args.against.clone(), args.backend.clone()])?;
    let pair: Pair = [backends[0], backends[1]];
    let paths = corpus::find(std::slice::from_ref(&args.corpus))?;
    look_at_all(&paths, &pair)?;
    let cache_dir = input::cache_dir(args.cache.cache_dir.as_deref())?;
    let measured = Measured::open(&args.metrics)?;
    let config = Config::builder(&cache_dir)
        .sandbox(input::sandbox(&args.sandbox))
        .metrics(measured.metrics())
        .execute_workers_max(args.workers.get());
    let config = input::keeping(config, 2 * args.workers.get()).build()?;

    let replayed =
        with_host(config, async |host| replay::replay(paths, pair, args.workers, host).await);
    let replayed = measured.finish(replayed)?;
    if json {
        output::json(&to_json(&replayed))?;
    } else {
        output::print(&to_text(&replayed))?;
    }
    Ok(replayed.answer())
}

/// Whatever is wrong with a case is said before hours are spent on the others.
fn look_at_all(paths: &[PathBuf], pair: &Pair) -> Result<(), Failure> {
    let mut runs = false;
    let mut formats = Vec::new();
    for path in paths {
        let file = CaseFile::read(path)?;
        file.check_files()?;
        let has_code = |format: &Format| file.has_code_for(*format);
        runs |= pair.iter().all(|backend| formats_of(backend).any(|format| has_code(&format)));
        for format in Format::ALL.into_iter().filter(has_code) {
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
    }
    if runs {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "there is nothing to replay: no case has code for both {} and {}{}",
        pair[0].id,
        pair[1].id,
        formats.iter().map(|format| format.hint()).collect::<String>()
    )))
}

fn to_text(replayed: &Replayed) -> String {
    let [against, backend] = &replayed.backends;
    let mut text = String::new();
    for divergent in replayed.divergences.values() {
        for divergence in &divergent.divergences {
            text.push_str(&text::divergence(
                &replayed.backends,
                &divergent.name,
                &divergent.path,
                divergence,
            ));
            text.push('\n');
        }
    }
    if let Some(more) = replayed.diverging.checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("{more} more cases diverge.\n\n"));
    }
    let mut table = Table::default();
    table.row(["", &against.id, &backend.id, "RATIO"]);
    let mut classes: Vec<_> = replayed.classes.iter().flat_map(BTreeMap::keys).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let count = |i: usize| replayed.classes[i].get(class).copied().unwrap_or(0).to_string();
        table.row([class.words(), &count(0), &count(1)]);
    }
    for (name, times) in [("CPU time of jobs", replayed.cpu), ("time, warm", replayed.wall)] {
        if times.candidates > 0 {
            let of = text::cases(times.candidates as usize);
            let [one, other] = times.total.map(|nanos| units::time(nanoseconds(nanos)));
            let ratio = times.ratio().map_or_else(|| "-".into(), show_ratio);
            table.row([format!("{name} ({of})"), one, other, ratio]);
        }
    }
    text.push_str(&table.to_string());
    text.push_str(&format!(
        "\n{}: {} agreeing, {} diverging",
        text::cases(replayed.candidates),
        replayed.agreeing,
        replayed.diverging
    ));
    for (count, words) in [
        (replayed.unknown, "that could not be told"),
        (replayed.skipped, "without code for both"),
        (replayed.unreadable, "that can't be read"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    text.push('\n');
    text
}

fn to_json(replayed: &Replayed) -> Value {
    let [against, backend] = &replayed.backends;
    let classes = |i: usize| -> Value {
        let counts = replayed.classes[i].iter();
        let word = |class| serde_json::to_value(class).ok()?.as_str().map(str::to_owned);
        counts
            .filter_map(|(class, count)| Some((word(class)?, json!(count))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let times = |times: Times| {
        let [one, other] = times.total.map(|nanos| units::millis(nanoseconds(nanos)));
        json!({
            "candidates": times.candidates,
            "against_ms": one,
            "backend_ms": other,
            "ratio": times.ratio(),
        })
    };
    let divergences = replayed.divergences.values().map(|divergent| {
        let of = divergent.divergences.iter();
        let of: Vec<_> = of.map(|it| DivergenceJson::new(&replayed.backends, it)).collect();
        json!({ "name": divergent.name, "path": divergent.path, "divergences": of })
    });
    json!({
        "agree": replayed.answer() == Answer::Yes,
        "backend": backend,
        "against": against,
        "totals": {
            "candidates": replayed.candidates,
            "agreeing": replayed.agreeing,
            "diverging": replayed.diverging,
            "unknown": replayed.unknown,
            "skipped": replayed.skipped,
            "unreadable": replayed.unreadable,
        },
        "classes": { "backend": classes(1), "against": classes(0) },
        "cpu_time": times(replayed.cpu),
        "warm_time": times(replayed.wall),
        "divergent": divergences.collect::<Vec<_>>(),
    })
}

fn nanoseconds(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
