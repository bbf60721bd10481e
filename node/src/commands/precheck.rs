//! `pvf precheck`: would validators accept this code?

use crate::{
    cli::Precheck,
    failure::{Answer, Failure},
    input::{self, Program},
    output,
    progress::Spinner,
    session::with_host,
    verdict::{self, PrecheckJson},
};

pub(crate) fn run(args: &Precheck, json: bool) -> Result<Answer, Failure> {
    let program = Program::read(&args.code)?;
    let cache_dir = input::cache_dir(args.host.cache.cache_dir.as_deref())?;
    let config = input::config(&cache_dir, &args.host, &args.code)?.build()?;

    let spinner = Spinner::start(format!("preparing {}", args.code.code.display()));
    let result = with_host(config, async |host| Ok(host.precheck(program.pvf()).await))?;
    drop(spinner);

    let code_hash = program.code.hash();
    if json {
        output::json(&PrecheckJson::new(code_hash, &result))?;
    } else {
        output::print(&verdict::describe_precheck(code_hash, &result).to_string())?;
    }
    Ok(verdict::precheck_answer(&result))
}
