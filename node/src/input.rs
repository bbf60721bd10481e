//! From the command line to a request: reads files, and checks what they hold.
//!
//! Whatever is wrong here is wrong usage: it is said before a host is started.

use crate::{
    cli::{
        CandidateArgs, CodeArgs, ControlGroupArg, HostArgs, Kind, SandboxArgs, WorkerProgramArg,
    },
    failure::Failure,
    features,
};
use parity_scale_codec::DecodeAll;
use pvf_host_core::{
    Code, Config, ConfigBuilder, Pvf, ValidationKind, ValidationRequest, backend,
    primitives::{
        CodeHash, ExecutorParam, ExecutorParams, Hash, ValidationParams, ValidationParamsExtension,
        hex,
    },
    sandbox::Sandbox,
    worker::WorkerProgram,
};
use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// No code, block or head comes near. It keeps a device or a wrong file from filling the memory.
const MAX_FILE: u64 = 256 << 20;

/// Code with its parameters, as [`CodeArgs`] describes it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) code: Code,
    pub(crate) params: Arc<ExecutorParams>,
    predecessor: Option<CodeHash>,
}

impl Program {
    pub(crate) fn read(args: &CodeArgs) -> Result<Self, Failure> {
        let params = executor_params(args)?;
        let code = Code::new(read_file(&args.code, "code")?);
        let predecessor = args.upgraded_from.as_deref().map(predecessor).transpose()?;
        Ok(Self { code, params: Arc::new(params), predecessor })
    }

    pub(crate) fn pvf(&self) -> Pvf {
        let pvf = Pvf::new(self.code.clone()).with_params(self.params.clone());
        match self.predecessor {
            Some(predecessor) => pvf.upgraded_from(predecessor),
            None => pvf,
        }
    }
}

/// The hash of code that is named by it, or by its file.
fn predecessor(argument: &str) -> Result<CodeHash, Failure> {
    match argument.parse::<Hash>() {
        Ok(hash) => Ok(hash.into()),
        // Nobody calls a file so, but many lose a digit.
        Err(error) if argument.starts_with("0x") && !Path::new(argument).exists() => {
            Err(Failure::usage(format!("--upgraded-from {argument}: {error}")))
        }
        Err(_) => Ok(Code::new(read_file(Path::new(argument), "predecessor")?).hash()),
    }
}

fn executor_params(args: &CodeArgs) -> Result<ExecutorParams, Failure> {
    let backend = args.backend.clone().map(ExecutorParam::Backend);
    let params =
        ExecutorParams::new(backend.into_iter().chain(args.executor_params.clone()).collect());
    params.check_consistency().map_err(|error| {
        let hint = match params.iter().filter(|p| matches!(p, ExecutorParam::Backend(_))).count() {
            2.. => "\n  hint: --backend and --executor-param Backend=… say the same, give one",
            _ => "",
        };
        Failure::usage(format!("executor parameters: {error}{hint}"))
    })?;
    if let Some(id) = params.backend() {
        backend::find(id).map_err(|error| {
            let hint = features::hint(&error);
            Failure::usage(format!("{error}{hint}"))
        })?;
    }
    Ok(params)
}

/// The candidate that the arguments describe, for this program.
pub(crate) fn request(
    program: &Program,
    args: &CandidateArgs,
) -> Result<ValidationRequest, Failure> {
    let params = validation_params(args)?;
    let relay_parent = match params.extension {
        Some(ValidationParamsExtension::V3 { relay_parent, .. }) => relay_parent,
        None => Hash::default(),
    };
    let kind = match args.kind {
        Kind::Backing => ValidationKind::Backing { relay_parent },
        Kind::Approval => ValidationKind::Approval,
        Kind::Dispute => ValidationKind::Dispute,
    };
    let request = ValidationRequest::from_params(program.pvf(), params, kind);
    Ok(request.with_timeout(args.timeout_ms.map(Duration::from_millis)))
}

fn validation_params(args: &CandidateArgs) -> Result<ValidationParams, Failure> {
    match (&args.params, &args.parent_head, &args.block) {
        (Some(path), ..) => ValidationParams::decode_all(&mut &read_file(path, "parameters")?[..])
            .map_err(|error| {
                Failure::usage(format!(
                    "{} holds no SCALE-encoded ValidationParams: {error}",
                    path.display()
                ))
            }),
        (None, Some(head), Some(block)) => Ok(ValidationParams {
            parent_head: parent_head(head)?.into(),
            block_data: read_file(block, "block")?.into(),
            relay_parent_number: args.relay_parent_number,
            relay_parent_storage_root: args.relay_parent_storage_root.unwrap_or_default(),
            extension: None,
        }),
        _ => Err(Failure::usage("give the candidate as --params, or as --parent-head and --block")),
    }
}

fn parent_head(argument: &str) -> Result<Vec<u8>, Failure> {
    match argument.strip_prefix('@') {
        Some(path) => Ok(hex_or_bytes(read_file(Path::new(path), "parent head")?)),
        None => hex::decode(argument).map_err(|error| {
            Failure::usage(format!(
                "--parent-head: {error}\n  hint: to read it from a file, put @ before the name"
            ))
        }),
    }
}

/// The bytes that a file's hexadecimal text stands for if it is nothing but such text, else the
/// file's own.
pub(crate) fn hex_or_bytes(content: Vec<u8>) -> Vec<u8> {
    let decoded = str::from_utf8(&content).ok().and_then(|text| hex::decode(text.trim()).ok());
    decoded.filter(|bytes| !bytes.is_empty()).unwrap_or(content)
}

/// Reads all of a file, or of standard input if it is named `-`.
fn read_file(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let content = if path == Path::new("-") {
        read_to_limit(io::stdin().lock())
    } else {
        File::open(path).and_then(read_to_limit)
    };
    content.map_err(|error| {
        Failure::usage(format!("can't read the {what} from {}: {error}", path.display()))
    })
}

/// Reads all that there is, if that is not more than anything can be that this program needs.
pub(crate) fn read_to_limit(source: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(MAX_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        let message = format!("it is longer than {} MiB", MAX_FILE >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

/// The host that the arguments describe, with a cache in `cache_dir`.
pub(crate) fn config(
    cache_dir: &Path,
    host: &HostArgs,
    code: &CodeArgs,
) -> Result<ConfigBuilder, Failure> {
    let config = host_config(cache_dir, &host.worker)?;
    Ok(config.sandbox(sandbox(&host.sandbox)).code_limit(size(code.code_limit)))
}

/// What keeps the workers in.
pub(crate) fn sandbox(args: &SandboxArgs) -> Sandbox {
    let sandbox = sandbox_in(&args.control_group);
    if args.insecure { sandbox.accept_insecure() } else { sandbox }
}

/// The same for a host that accepts nothing less than secure.
pub(crate) fn sandbox_in(args: &ControlGroupArg) -> Sandbox {
    match &args.control_group {
        Some(directory) => Sandbox::default().in_control_group(directory),
        None => Sandbox::default(),
    }
}

/// The configuration of a host that is given no code.
pub(crate) fn host_config(
    cache_dir: &Path,
    worker: &WorkerProgramArg,
) -> Result<ConfigBuilder, Failure> {
    let mut config = Config::builder(cache_dir);
    if let Some(path) = &worker.worker_program {
        // A name without a slash would be searched for in PATH.
        let path = std::path::absolute(path).map_err(|error| {
            Failure::usage(format!("--worker-program {}: {error}", path.display()))
        })?;
        config = config.worker_program(WorkerProgram::Path(path));
    }
    Ok(config)
}

/// Has up to `workers` candidates executed at once, whose blocks may be as long as `candidate` says.
pub(crate) fn config_execution(
    config: ConfigBuilder,
    candidate: &CandidateArgs,
    workers: NonZeroUsize,
) -> ConfigBuilder {
    let config = config.pov_limit(size(candidate.pov_limit)).execute_workers_max(workers.get());
    keeping(config, workers.get())
}

/// Has no fewer than `workers` kept with their artifact loaded, and no fewer than otherwise.
pub(crate) fn keeping(config: ConfigBuilder, workers: usize) -> ConfigBuilder {
    config.hot_workers_max(workers.max(Config::HOT_WORKERS_MAX))
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The cache to use when none is named.
pub(crate) fn cache_dir(argument: Option<&Path>) -> Result<PathBuf, Failure> {
    argument
        .map(Path::to_owned)
        .or_else(|| default_cache_dir(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")))
        .ok_or_else(|| {
            Failure::usage(
                "there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set\n  hint: \
                 name a directory with --cache-dir",
            )
        })
}

fn default_cache_dir(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // By the XDG specification a path that is not absolute does not count.
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute(xdg).or_else(|| absolute(home).map(|home| home.join(".cache")));
    base.map(|base| base.join("pvf-host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_hexadecimal_text_is_read_as_such_and_any_other_as_it_is() {
        assert_eq!(hex_or_bytes(b" 0x0aFF\n".to_vec()), [0x0a, 0xff]);
        assert_eq!(hex_or_bytes(b"0aff".to_vec()), [0x0a, 0xff]);
        for raw in [&b"0"[..], b"0x", b"", b"\n", b"0aff\0", b"abc", b"\xff\xfe", b"0a ff"] {
            assert_eq!(hex_or_bytes(raw.to_vec()), raw);
        }
    }

    #[test]
    fn the_cache_is_where_the_desktop_keeps_caches() {
        let choose = |xdg: Option<&str>, home: Option<&str>| {
            default_cache_dir(xdg.map(Into::into), home.map(Into::into))
        };
        assert_eq!(choose(Some("/xdg"), Some("/home")), Some("/xdg/pvf-host".into()));
        assert_eq!(choose(None, Some("/home")), Some("/home/.cache/pvf-host".into()));
        assert_eq!(choose(Some("xdg"), Some("/home")), Some("/home/.cache/pvf-host".into()));
        assert_eq!(choose(Some(""), None), None);
        assert_eq!(choose(None, None), None);
    }
}
