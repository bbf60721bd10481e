//! Our own answers, in the same form as the reference's.

use parity_scale_codec::Decode;
use pvf_host_core::{
    backend::BackendDescriptor,
    primitives::{ExecutorParams, hex},
};
use pvf_tests::verdict::{Prepared, Verdict};
use std::{
    fs,
    io::{Error, Write},
};

/// Answers lines on standard input until there are no more.
///
/// A panic ends the process, and so is the answer to its line.
pub(crate) fn serve(backend: &'static BackendDescriptor) -> Result<(), Error> {
    let mut output = std::io::stdout();
    // The last code, and what was made of it.
    let mut last: Option<(Vec<u8>, String, Prepared)> = None;
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let (Some(code), Some(input)) = (words.next(), words.next()) else { continue };
        let (code, input) = (fs::read(code)?, fs::read(input)?);
        let executor_params = words.next().unwrap_or_default().to_owned();
        last = last.filter(|(one, params, _)| *one == code && *params == executor_params);
        let (.., prepared) = match last {
            Some(ref last) => last,
            None => {
                let params = decode(&executor_params).map_err(Error::other)?;
                let prepared = Prepared::new(backend, &code, &params);
                last.insert((code, executor_params, prepared))
            }
        };
        let Verdict { stage, result } = prepared.call(&input);
        let json = serde_json::json!({
            "stage": stage.to_string(),
            "ok": result.is_ok(),
            "output": result.as_ref().ok().map(hex::encode),
            "error": result.as_ref().err(),
        });
        writeln!(output, "{json}")?;
        output.flush()?;
    }
    Ok(())
}

fn decode(executor_params: &str) -> Result<ExecutorParams, String> {
    if executor_params.is_empty() {
        return Ok(ExecutorParams::default());
    }
    let bytes = hex::decode(executor_params).map_err(|error| error.to_string())?;
    ExecutorParams::decode(&mut &bytes[..]).map_err(|error| error.to_string())
}
