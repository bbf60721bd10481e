//! `pvf validate`: one candidate, one verdict.

use crate::{
    cli::Validate,
    failure::{Answer, Failure},
    input::{self, Program},
    metrics::Measured,
    output,
    progress::Spinner,
    session::with_host,
    verdict::{self, ValidationJson},
};
use pvf_host_core::validate_with_retry;

pub(crate) fn run(args: &Validate, json: bool) -> Result<Answer, Failure> {
    let program = Program::read(&args.code)?;
    let request = input::request(&program, &args.candidate)?;
    let cache_dir = input::cache_dir(args.host.cache.cache_dir.as_deref())?;
    let measured = Measured::open(&args.metrics)?;
    let config = input::config(&cache_dir, &args.host, &args.code)?;
    let config = input::config_execution(config, &args.candidate, args.workers);
    let config = config.metrics(measured.metrics()).build()?;

    let spinner = Spinner::start(format!("preparing and executing {}", args.code.code.display()));
    let validated = with_host(config, async |host| Ok(validate_with_retry(&host, request).await));
    drop(spinner);
    let validated = measured.finish(validated);

    let code_hash = program.code.hash();
    let validation = match validated {
        Ok(validation) => validation,
        // There is no telling, in the same shape as any other answer.
        Err(Failure::Runtime { kind, message }) if json => {
            output::error(&message);
            output::json(&ValidationJson::not_started(code_hash, kind, message))?;
            return Ok(Answer::Unknown);
        }
        Err(failure) => return Err(failure),
    };
    if json {
        output::json(&ValidationJson::new(code_hash, &validation))?;
    } else {
        output::print(&verdict::describe(code_hash, &validation).to_string())?;
    }
    Ok(verdict::answer(&validation.verdict))
}
