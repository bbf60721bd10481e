//! A case file: what it says, and reading what it points to.

use super::{Case, CaseError, Expected, ExpectedVerdict, Format};
use crate::{
    cli::Kind,
    input::{hex_or_bytes, read_to_limit},
};
use clap::ValueEnum;
use parity_scale_codec::DecodeAll;
use pvf_host_core::{
    Code,
    primitives::{ExecutorParam, ExecutorParams, Hash, ValidationParams, ValidationResult, hex},
};
use serde::Deserialize;
use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use toml::Spanned;

/// What a case file says. The files that it names are not read yet.
#[derive(Debug)]
pub(crate) struct CaseFile {
    path: PathBuf,
    text: String,
    fields: Fields,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: Option<String>,
    wasm: Option<Spanned<String>>,
    polkavm: Option<Spanned<String>>,
    parent_head: Spanned<String>,
    block: Spanned<String>,
    #[serde(default = "first_block")]
    relay_parent_number: u32,
    relay_parent_storage_root: Option<Spanned<String>>,
    #[serde(default)]
    executor_params: Vec<Spanned<String>>,
    kind: Option<Spanned<String>>,
    timeout_ms: Option<Spanned<u64>>,
    #[serde(default)]
    expect: ExpectFields,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFields {
    verdict: Option<Spanned<String>>,
    head: Option<Spanned<String>>,
    result: Option<Spanned<String>>,
}

/// The same as without the option of the command line.
fn first_block() -> u32 {
    1
}

impl CaseFile {
    /// Reads the file itself.
    ///
    /// # Errors
    ///
    /// When it is not a case, by its form.
    pub(crate) fn read(path: &Path) -> Result<Self, CaseError> {
        let text = fs::read_to_string(path)
            .map_err(|error| CaseError::of_file(path, format!("can't be read: {error}")))?;
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, CaseError> {
        let fields = toml::from_str::<Fields>(&text).map_err(|error| match error.span() {
            Some(span) => CaseError::at(path, &text, span.start, error.message()),
            None => CaseError::of_file(path, error.message()),
        })?;
        let file = Self { path: path.to_owned(), text, fields };
        if file.codes().next().is_none() {
            let message = "it names no code, neither as `wasm` nor as `polkavm`";
            return Err(CaseError::of_file(path, message));
        }
        file.executor_params()?;
        file.kind()?;
        Ok(file)
    }

    /// Checks that all files are there to which it points, without reading them.
    ///
    /// # Errors
    ///
    /// When one is not.
    pub(crate) fn check_files(&self) -> Result<(), CaseError> {
        let Fields { parent_head, block, expect, .. } = &self.fields;
        let codes = self.codes().map(|(format, value)| (format.key(), value, false));
        let others = [
            ("parent_head", Some(parent_head)),
            ("block", Some(block)),
            ("head", expect.head.as_ref()),
            ("result", expect.result.as_ref()),
        ];
        let others = others.into_iter().filter_map(|(key, value)| Some((key, value?, true)));
        for (key, value, may_be_hex) in codes.chain(others) {
            if !(may_be_hex && is_hex(value.get_ref())) {
                let path = self.resolve(value);
                let metadata = fs::metadata(&path).and_then(|metadata| match metadata.is_dir() {
                    true => Err(io::ErrorKind::IsADirectory.into()),
                    false => Ok(()),
                });
                metadata.map_err(|error| self.unreadable(key, value, &error))?;
            }
        }
        Ok(())
    }

    /// Reads all that it points to.
    ///
    /// # Errors
    ///
    /// When something is not there, or not what its key says.
    pub(crate) fn load(&self, codes: &mut Codes) -> Result<Case, CaseError> {
        let fields = &self.fields;
        let stem = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut loaded = Vec::new();
        for (format, value) in self.codes() {
            let code = codes
                .read(&self.resolve(value))
                .map_err(|error| self.unreadable(format.key(), value, &error))?;
            if !format.has(code.prefix()) {
                let message = match Format::ALL.iter().find(|other| other.has(code.prefix())) {
                    Some(other) => format!("{} is for {}", value.get_ref(), other.words()),
                    None => format!("{} is no code for {}", value.get_ref(), format.words()),
                };
                return Err(self.error(format.key(), value.span(), message));
            }
            loaded.push((format, code));
        }
        let root = match &fields.relay_parent_storage_root {
            None => Hash::default(),
            Some(text) => text.get_ref().parse().map_err(|error| {
                self.error("relay_parent_storage_root", text.span(), format!("{error}"))
            })?,
        };
        let candidate = ValidationParams {
            parent_head: self.head("parent_head", &fields.parent_head)?.into(),
            block_data: self.bytes("block", &fields.block)?.into(),
            relay_parent_number: fields.relay_parent_number,
            relay_parent_storage_root: root,
            extension: None,
        };
        Ok(Case {
            name: fields.name.clone().unwrap_or_else(stem),
            codes: loaded,
            params: self.executor_params()?,
            candidate,
            kind: self.kind()?,
            timeout: self.timeout()?,
            expected: self.expected()?,
        })
    }

    /// Whether it names code in this format.
    pub(crate) fn has_code_for(&self, format: Format) -> bool {
        self.codes().any(|(other, _)| other == format)
    }

    fn codes(&self) -> impl Iterator<Item = (Format, &Spanned<String>)> {
        Format::ALL.into_iter().filter_map(|format| {
            let value = match format {
                Format::WebAssembly => &self.fields.wasm,
                Format::PolkaVm => &self.fields.polkavm,
            };
            Some((format, value.as_ref()?))
        })
    }

    fn executor_params(&self) -> Result<ExecutorParams, CaseError> {
        const KEY: &str = "executor_params";
        let mut params = Vec::new();
        for text in &self.fields.executor_params {
            let param = text
                .get_ref()
                .parse::<ExecutorParam>()
                .map_err(|error| self.error(KEY, text.span(), error.to_string()))?;
            if let ExecutorParam::Backend(_) = param {
                let message = "a case runs on every backend; choose those with --backends";
                return Err(self.error(KEY, text.span(), message));
            }
            params.push(param);
        }
        let params = ExecutorParams::new(params);
        params.check_consistency().map_err(|error| {
            let first = self.fields.executor_params.first().map_or(0..0, Spanned::span);
            self.error(KEY, first, error.to_string())
        })?;
        Ok(params)
    }

    fn kind(&self) -> Result<Kind, CaseError> {
        let Some(text) = &self.fields.kind else { return Ok(Kind::Backing) };
        Kind::from_str(text.get_ref(), false).map_err(|_| {
            let message = format!("{:?} is none of backing, approval, dispute", text.get_ref());
            self.error("kind", text.span(), message)
        })
    }

    fn timeout(&self) -> Result<Option<Duration>, CaseError> {
        let Some(millis) = &self.fields.timeout_ms else { return Ok(None) };
        match *millis.get_ref() {
            0 => Err(self.error("timeout_ms", millis.span(), "nothing can be done in no time")),
            millis => Ok(Some(Duration::from_millis(millis))),
        }
    }

    fn expected(&self) -> Result<Expected, CaseError> {
        let ExpectFields { verdict, head, result } = &self.fields.expect;
        let of_valid = head.as_ref().map(|head| ("head", head));
        let of_valid = of_valid.or(result.as_ref().map(|result| ("result", result)));
        let verdict = match verdict {
            Some(word) => {
                let verdict = ExpectedVerdict::ALL.into_iter().find(|v| v.word() == word.get_ref());
                let verdict = verdict.ok_or_else(|| {
                    let message =
                        format!("{:?} is none of valid, invalid, rejected", word.get_ref());
                    self.error("verdict", word.span(), message)
                })?;
                if let (true, Some((key, value))) = (verdict != ExpectedVerdict::Valid, of_valid) {
                    return Err(self.error(key, value.span(), "only a valid candidate has one"));
                }
                Some(verdict)
            }
            // Only a valid candidate has either.
            None => of_valid.map(|_| ExpectedVerdict::Valid),
        };
        let head = head.as_ref().map(|text| self.head("head", text)).transpose()?;
        let decode = |text: &Spanned<String>| {
            let bytes = self.bytes("result", text)?;
            ValidationResult::decode_all(&mut &bytes[..]).map_err(|error| {
                let message = format!("holds no SCALE-encoded ValidationResult: {error}");
                self.error("result", text.span(), message)
            })
        };
        Ok(Expected { verdict, head, result: result.as_ref().map(decode).transpose()? })
    }

    /// Hexadecimal behind `0x`, or a file of such text or of the bytes themselves.
    fn head(&self, key: &'static str, value: &Spanned<String>) -> Result<Vec<u8>, CaseError> {
        let bytes = self.bytes(key, value)?;
        Ok(if is_hex(value.get_ref()) { bytes } else { hex_or_bytes(bytes) })
    }

    /// Hexadecimal behind `0x`, or a file of the bytes themselves.
    fn bytes(&self, key: &'static str, value: &Spanned<String>) -> Result<Vec<u8>, CaseError> {
        if is_hex(value.get_ref()) {
            return hex::decode(value.get_ref())
                .map_err(|error| self.error(key, value.span(), error.to_string()));
        }
        File::open(self.resolve(value))
            .and_then(read_to_limit)
            .map_err(|error| self.unreadable(key, value, &error))
    }

    /// The path that a value means: from the case file's folder.
    fn resolve(&self, value: &Spanned<String>) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(value.get_ref())
    }

    fn unreadable(
        &self,
        key: &'static str,
        value: &Spanned<String>,
        error: &io::Error,
    ) -> CaseError {
        let message = format!("can't read {}: {error}", self.resolve(value).display());
        self.error(key, value.span(), message)
    }

    fn error(
        &self,
        key: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> CaseError {
        CaseError::at(&self.path, &self.text, span.start, message).of_key(key)
    }
}

fn is_hex(value: &str) -> bool {
    value.starts_with("0x")
}

/// Code that was read not long ago: many cases share theirs.
#[derive(Debug)]
pub(crate) struct Codes {
    /// The most recently used last.
    kept: VecDeque<(PathBuf, Code)>,
    max_size: usize,
}

impl Codes {
    /// Keeps up to `max_size` bytes of code, or a single one if that is larger.
    pub(crate) fn new(max_size: usize) -> Self {
        Self { kept: VecDeque::new(), max_size }
    }

    fn read(&mut self, path: &Path) -> io::Result<Code> {
        let code = match self.kept.iter().position(|(kept, _)| kept == path) {
            Some(at) => self.kept.remove(at).map(|(_, code)| code),
            None => None,
        };
        let code = match code {
            Some(code) => code,
            None => Code::new(File::open(path).and_then(read_to_limit)?),
        };
        self.kept.push_back((path.to_owned(), code.clone()));
        let size = |kept: &VecDeque<(PathBuf, Code)>| -> usize {
            kept.iter().map(|(_, code)| code.bytes().len()).sum()
        };
        while self.kept.len() > 1 && size(&self.kept) > self.max_size {
            self.kept.pop_front();
        }
        Ok(code)
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self::new(256 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::Encode;
    use tempfile::TempDir;

    /// A folder with code in both formats, and a block.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("code.wasm", &b"\0asm\x01\0\0\0"[..]),
            ("code.polkavm", b"PVM\0rest"),
            ("block", b"0x12"),
            ("head.hex", b" 0xAB\n"),
            ("text", b"text"),
            ("result", &ValidationResult { hrmp_watermark: 7, ..Default::default() }.encode()),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn load(folder: &TempDir, text: &str) -> Result<Case, CaseError> {
        let path = folder.path().join("a case.toml");
        fs::write(&path, text).unwrap();
        let file = CaseFile::read(&path)?;
        file.check_files()?;
        file.load(&mut Codes::default())
    }

    #[test]
    fn a_case_says_what_to_run_and_what_to_expect() {
        let folder = folder();
        let root = "11".repeat(32);
        let text = format!(
            r#"
            name = "both"
            wasm = "code.wasm"
            polkavm = "code.polkavm"
            parent_head = "head.hex"
            block = "block"
            relay_parent_number = 9
            relay_parent_storage_root = "{root}"
            executor_params = ["MaxMemoryPages=16", "WasmExtBulkMemory"]
            kind = "approval"
            timeout_ms = 10
            [expect]
            head = "0x0102"
            result = "result"
            "#
        );
        let case = load(&folder, &text).unwrap();
        assert_eq!(case.name, "both");
        let formats: Vec<_> = case.codes.iter().map(|(format, _)| *format).collect();
        assert_eq!(formats, Format::ALL);
        let expected = [ExecutorParam::MaxMemoryPages(16), ExecutorParam::WasmExtBulkMemory];
        assert!(case.params.iter().eq(&expected));
        // A head may be hexadecimal text in a file. A block is always the file's own bytes.
        assert_eq!(case.candidate.parent_head.0, [0xab]);
        assert_eq!(case.candidate.block_data.0, b"0x12");
        assert_eq!(case.candidate.relay_parent_number, 9);
        assert_eq!(case.candidate.relay_parent_storage_root, Hash([0x11; 32]));
        assert_eq!((case.kind, case.timeout), (Kind::Approval, Some(Duration::from_millis(10))));
        assert_eq!(case.expected.verdict, Some(ExpectedVerdict::Valid));
        assert_eq!(case.expected.head, Some(vec![1, 2]));
        assert_eq!(case.expected.result.unwrap().hrmp_watermark, 7);
    }

    const LEAST: &str = "wasm = 'code.wasm'\nparent_head = '0x01'\nblock = '0x'\n";

    #[test]
    fn what_is_left_out_is_as_on_the_command_line() {
        let case = load(&folder(), LEAST).unwrap();
        assert_eq!(case.name, "a case");
        assert_eq!((case.candidate.relay_parent_number, case.kind), (1, Kind::Backing));
        assert_eq!(case.candidate.relay_parent_storage_root, Hash::default());
        assert_eq!((case.expected, case.timeout), (Expected::default(), None));
    }

    #[test]
    fn every_difference_that_matters_changes_the_digest() {
        let folder = folder();
        let of = |text: &str| load(&folder, text).unwrap().digest();
        let digest = of(LEAST);
        assert_eq!(of(&format!("name = 'x'\n{LEAST}")), digest);
        let mut digests = vec![digest];
        for other in [
            LEAST.replace("0x01", "0x02"),
            LEAST.replace("'0x'", "'0x00'"),
            format!("{LEAST}polkavm = 'code.polkavm'"),
            format!("{LEAST}relay_parent_number = 2"),
            format!("{LEAST}kind = 'dispute'"),
            format!("{LEAST}timeout_ms = 5"),
            format!("{LEAST}executor_params = ['MaxMemoryPages=16']"),
            format!("{LEAST}expect.verdict = 'valid'"),
            format!("{LEAST}expect.head = '0x00'"),
            format!("{LEAST}expect.result = 'result'"),
        ] {
            let digest = of(&other);
            assert!(!digests.contains(&digest), "{other}");
            digests.push(digest);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_key() {
        let folder = folder();
        for (text, line, says) in [
            ("wasm = 'code.wasm'\nfoo = 1\nparent_head = '0x'\nblock = '0x'", 2, "`foo`"),
            ("wasm = \n", 1, ""),
            ("wasm = 'code.wasm'\nblock = '0x'\n", 1, "`parent_head`"),
            (&format!("{LEAST}relay_parent_number = -1"), 4, ""),
            (&format!("{LEAST}relay_parent_number = 4294967296"), 4, ""),
            (&LEAST.replace("0x01", "0x0g"), 2, "parent_head: 'g' at position 3"),
            (&LEAST.replace("0x01", "01"), 2, "parent_head: can't read"),
            (&LEAST.replace("'0x'", "'0x1'"), 3, "block: an odd number"),
            (&LEAST.replace("'0x'", "'missing'"), 3, "block: can't read"),
            (&LEAST.replace("'0x'", "'.'"), 3, "block: can't read"),
            (&LEAST.replace("code.wasm", "code.polkavm"), 1, "wasm: code.polkavm is for PolkaVM"),
            (&LEAST.replace("code.wasm", "text"), 1, "wasm: text is no code for WebAssembly"),
            (&LEAST.replace("code.wasm", "absent"), 1, "wasm: can't read"),
            (&format!("{LEAST}polkavm = 'code.wasm'"), 4, "polkavm: code.wasm is for WebAssembly"),
            (
                &format!("{LEAST}relay_parent_storage_root = '0x00'"),
                4,
                "relay_parent_storage_root: expected 32 bytes",
            ),
            (
                &format!("{LEAST}executor_params = [\n'MaxMemoryPages=16',\n'Gas=1']"),
                6,
                "executor_params: there is no executor parameter \"Gas\"",
            ),
            (
                &format!("{LEAST}executor_params = ['MaxMemoryPages=0']"),
                4,
                "executor_params: MaxMemoryPages",
            ),
            (&format!("{LEAST}executor_params = ['Backend=wasmtime']"), 4, "--backends"),
            (&format!("{LEAST}kind = 'soon'"), 4, "kind: \"soon\" is none of backing"),
            (&format!("{LEAST}timeout_ms = 0"), 4, "timeout_ms: "),
            (&format!("{LEAST}[expect]\nverdict = 'good'"), 5, "verdict: \"good\" is none of"),
            (&format!("{LEAST}[expect]\nheads = '0x'"), 5, "`heads`"),
            (&format!("{LEAST}[expect]\nresult = 'text'"), 5, "result: holds no SCALE-encoded"),
            (
                &format!("{LEAST}[expect]\nverdict = 'invalid'\nhead = '0x'"),
                6,
                "head: only a valid candidate",
            ),
        ] {
            let error = load(&folder, text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text}: {error}");
            let text = error.to_string();
            assert!(text.contains(&format!("a case.toml:{line}: ")), "{text}");
            assert!(text.contains(says), "{text} should say {says:?}");
        }
        let error = load(&folder, "parent_head = '0x'\nblock = '0x'").unwrap_err();
        assert!(error.to_string().contains("names no code"), "{error}");
    }

    #[test]
    fn code_is_read_once_as_long_as_there_is_room() {
        let folder = folder();
        let [one, two] = ["code.wasm", "code.polkavm"].map(|name| folder.path().join(name));
        let mut codes = Codes::new(16);
        let first = codes.read(&one).unwrap();
        codes.read(&two).unwrap();
        fs::write(&one, "other").unwrap();
        assert_eq!(codes.read(&one).unwrap().hash(), first.hash());
        // The one that was not used for longest makes room.
        let large = folder.path().join("large");
        fs::write(&large, [0; 9]).unwrap();
        codes.read(&large).unwrap();
        assert_eq!(codes.kept.len(), 1);
        assert_eq!(codes.read(&one).unwrap().bytes(), b"other");
    }
}
