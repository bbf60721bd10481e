//! What an artifact depends on besides code and parameters: the machine and the program.
//!
//! An artifact is native code. It is only right on the processor, kernel and engine for which it was
//! made, and only to be trusted if our own worker program made it. All of that is digested into the
//! [`EnvironmentDigest`]; each environment has a directory of its own in the cache, and artifacts of
//! another one are never opened.

use crate::{
    backend::{BackendId, Fingerprint},
    primitives::hex,
};
use std::{collections::BTreeSet, fmt, fs::File, io, path::Path};

/// A digest over everything in [`Environment`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvironmentDigest(pub [u8; 32]);

impl fmt::Display for EnvironmentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::encode(self.0).trim_start_matches("0x"))
    }
}

impl fmt::Debug for EnvironmentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that decides whether an artifact made in one place can run in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The BLAKE3 hash of the worker program's bytes.
    pub worker_program: [u8; 32],
    /// The backends in the worker program: name, version, and fingerprint, or why there is none.
    pub backends: Vec<(BackendId, String, Result<Fingerprint, String>)>,
    /// Vendor and model of the processor.
    pub cpu_model: String,
    /// The processor's features, as the kernel lists them.
    pub cpu_features: BTreeSet<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
}

impl Environment {
    /// Looks at this machine. Reads the whole worker program.
    ///
    /// # Errors
    ///
    /// When the program or `/proc/cpuinfo` can't be read.
    pub(crate) fn detect(
        worker_program: &Path,
        backends: Vec<(BackendId, String, Result<Fingerprint, String>)>,
    ) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(worker_program)?)?;
        let (cpu_model, cpu_features) = parse_cpuinfo(&std::fs::read_to_string("/proc/cpuinfo")?);
        let uname = rustix::system::uname();
        Ok(Self {
            worker_program: *hasher.finalize().as_bytes(),
            backends,
            cpu_model,
            cpu_features,
            kernel: uname.release().to_string_lossy().into_owned(),
            architecture: uname.machine().to_string_lossy().into_owned(),
        })
    }

    /// The digest of all of it.
    pub fn digest(&self) -> EnvironmentDigest {
        let mut hasher = blake3::Hasher::new_derive_key("pvf-host environment, version 1");
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(&self.worker_program);
        part(&self.backends.len().to_le_bytes());
        for (id, version, fingerprint) in &self.backends {
            part(id.as_str().as_bytes());
            part(version.as_bytes());
            match fingerprint {
                Ok(fingerprint) => part(&fingerprint.0),
                Err(reason) => part(reason.as_bytes()),
            }
        }
        part(self.cpu_model.as_bytes());
        part(&self.cpu_features.len().to_le_bytes());
        for feature in &self.cpu_features {
            part(feature.as_bytes());
        }
        part(self.kernel.as_bytes());
        part(self.architecture.as_bytes());
        EnvironmentDigest(*hasher.finalize().as_bytes())
    }
}

/// Takes vendor, model and features of the first processor; what changes while it runs, such as its
/// frequency, is left out.
fn parse_cpuinfo(text: &str) -> (String, BTreeSet<String>) {
    // x86-64 names the first list, aarch64 the second.
    const MODEL: [&str; 10] = [
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "stepping",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
    ];
    let (mut model, mut features) = (Vec::new(), BTreeSet::new());
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if MODEL.contains(&key) {
            model.push(format!("{key} {value}"));
        } else if matches!(key, "flags" | "Features") {
            features.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    (model.join(", "), features)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            worker_program: [1; 32],
            backends: vec![(
                BackendId::from_static("wasmtime"),
                "48".into(),
                Ok(Fingerprint::of(&[b"x"])),
            )],
            cpu_model: "model name AMD".into(),
            cpu_features: ["avx".to_owned(), "bmi2".to_owned()].into(),
            kernel: "6.18".into(),
            architecture: "x86_64".into(),
        }
    }

    #[test]
    fn the_digest_changes_with_every_part() {
        let changes: [fn(&mut Environment); 8] = [
            |e| e.worker_program[0] = 2,
            |e| e.backends.clear(),
            |e| e.backends[0].1 = "49".into(),
            |e| e.backends[0].2 = Ok(Fingerprint::of(&[b"y"])),
            |e| e.cpu_model = "model name Intel".into(),
            |e| e.cpu_features.clear(),
            |e| e.kernel = "6.19".into(),
            |e| e.architecture = "aarch64".into(),
        ];
        let mut digests = vec![environment().digest()];
        for change in changes {
            let mut changed = environment();
            change(&mut changed);
            digests.push(changed.digest());
        }
        let distinct: BTreeSet<_> = digests.iter().map(|digest| digest.0).collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn the_frequency_is_not_part_of_the_processors_identity() {
        let at = |mhz| {
            format!(
                "vendor_id\t: A\nmodel name\t: B\ncpu MHz\t: {mhz}\nflags\t: x y\n\nvendor_id\t: C\n"
            )
        };
        assert_eq!(parse_cpuinfo(&at("1000")), parse_cpuinfo(&at("3000")));
        let (model, features) = parse_cpuinfo(&at("1"));
        assert_eq!(model, "vendor_id A, model name B");
        assert_eq!(features, ["x".to_owned(), "y".to_owned()].into());
    }
}
