//! `pvf compare`: the same candidates on several backends, side by side.

use crate::{
    case::corpus,
    cli::Compare,
    compare::{
        Comparison, Options, Plan,
        json::ComparisonJson,
        plan,
        report::Report,
        run::{self, HostOptions, LogOptions},
        text::Text,
    },
    failure::{Answer, Failure},
    input,
    metrics::Measured,
    output, session,
};

pub(crate) fn run(args: &Compare, json: bool) -> Result<Answer, Failure> {
    let backends = plan::backends(&args.backends)?;
    let paths = corpus::find(&args.cases)?;
    let options = Options {
        runs: args.runs.get(),
        first_runs: args.first_runs.get(),
        prepare_runs: args.prepare_runs.get(),
    };
    let plan = Plan::new(paths, backends, options)?;
    let report = args.report.as_deref().map(Report::open).transpose()?;
    let log = args.log.clone().map(|path| LogOptions { path, resume: args.resume });

    let measured = Measured::open(&args.metrics)?;
    let rounds = session::run(async |session| {
        let host =
            HostOptions { sandbox: input::sandbox(&args.sandbox), metrics: measured.metrics() };
        run::run(&plan, session, host, log.as_ref()).await
    });
    let rounds = measured.finish(rounds)?;
    let comparison = Comparison::new(&plan, &rounds);
    if let Some(report) = report {
        report.write(&comparison)?;
    }
    if json {
        output::json(&ComparisonJson::new(&comparison))?;
    } else {
        output::print(&Text(&comparison).to_string())?;
    }
    Ok(comparison.answer())
}
