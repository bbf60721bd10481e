//! The reference implementation: polkadot-sdk's own host, behind a program that times it.

use super::guests::{Block, RELAY_PARENT_NUMBER};
use crate::failure::Failure;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;

/// Its programs, which lie in one folder.
#[derive(Debug)]
pub(super) struct Reference {
    program: PathBuf,
}

/// What it measured, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Times {
    pub(super) precheck: f64,
    pub(super) warm_p50: f64,
    pub(super) warm_p95: f64,
}

impl Reference {
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        for name in ["bench", "prepare_worker", "execute_worker"] {
            if !folder.join(name).is_file() {
                let message = format!("there is no program {name} in {}", folder.display());
                return Err(Failure::usage(message));
            }
        }
        Ok(Self { program: folder.join("bench") })
    }

    /// Has it validate a block of the Cumulus parachain `count` times, one after the other.
    pub(super) async fn measure(
        &self,
        code: &[u8],
        block: &Block,
        count: usize,
    ) -> Result<Times, Failure> {
        let failed = |reason: String| {
            Failure::runtime("reference", format!("the reference implementation: {reason}"))
        };
        let io = |error: std::io::Error| failed(error.to_string());
        let folder = TempDir::new().map_err(io)?;
        let file = |name: &str| folder.path().join(name);
        for (name, content) in
            [("code", code), ("head", &block.parent_head), ("block", &block.data)]
        {
            std::fs::write(file(name), content).map_err(io)?;
        }
        let mut head = std::ffi::OsString::from("@");
        head.push(file("head"));
        let child = tokio::process::Command::new(&self.program)
            .arg(file("code"))
            .arg(head)
            .arg(file("block"))
            // As many as said, from one task, on two workers: what its figures are known for.
            .args([&count.to_string(), "1", "2"])
            .args([RELAY_PARENT_NUMBER.to_string(), block.relay_parent_storage_root.to_string()])
            .env("RUST_LOG", "off")
            .env("PEER_CACHE", file("cache"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = child.await.map_err(io)?;
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).map_err(failed)
    }
}

/// Reads what the program prints.
fn read(text: &str) -> Result<Times, String> {
    let line = |name: &str| {
        let mut lines = text.lines();
        lines.find(|line| line.starts_with(name)).ok_or_else(|| format!("it says no {name}"))
    };
    let number = |line: &str, name: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != name).skip(1);
        let number = words.next().and_then(|word| word.parse().ok());
        number.ok_or_else(|| format!("it says no {name}: {line}"))
    };
    let first = line("first_exec_ms")?;
    if !first.contains("Ok(") {
        return Err(format!("it does not accept the block: {first}"));
    }
    let warm = line("warm_seq")?;
    Ok(Times {
        precheck: number(line("precheck_ms")?, "precheck_ms")?,
        warm_p50: number(warm, "p50_ms")?,
        warm_p95: number(warm, "p95_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "start_ms 1.00 security SecurityStatus { .. }\n\
        precheck_ms 2400.25 Ok(())\n\
        first_exec_ms 30.00 Ok(Valid)\n\
        warm_seq n=40 p50_ms 23.125 p95_ms 25.000 p99_ms 26.000\n\
        throughput conc=1 workers=2 per_s 40.0\n";

    #[test]
    fn its_lines_are_read() {
        let times = Times { precheck: 2400.25, warm_p50: 23.125, warm_p95: 25.0 };
        assert_eq!(read(OUTPUT), Ok(times));
    }

    #[test]
    fn what_it_does_not_accept_is_not_timed() {
        assert!(read(&OUTPUT.replace("Ok(Valid)", "Err(Invalid)")).is_err());
        assert!(read("").is_err());
        assert!(read(&OUTPUT.replace("p50_ms", "")).is_err());
    }
}
