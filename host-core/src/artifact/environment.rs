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
use parity_scale_codec::{Decode, Encode};
use std::{collections::BTreeSet, fmt, io};

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
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Environment {
    /// The BLAKE3 hash of the worker program's bytes.
    pub worker_program: [u8; 32],
    /// The backends in the worker program.
    pub backends: Vec<BackendInput>,
    /// Vendor and model of the processor.
    pub cpu_model: String,
    /// The processor's features, as the kernel lists them.
    pub cpu_features: BTreeSet<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
}

/// What a backend puts into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BackendInput {
    /// Its name.
    pub id: BackendId,
    /// Its version.
    pub version: String,
    /// Its fingerprint, or why it has none on this machine.
    pub fingerprint: Result<Fingerprint, String>,
}

/// One of the things that make up an environment, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentInput {
    /// What it is, in words.
    pub name: String,
    /// What it is here and now.
    pub value: String,
}

impl Environment {
    /// Looks at this machine.
    ///
    /// # Errors
    ///
    /// When `/proc/cpuinfo` can't be read.
    pub(crate) fn detect(
        worker_program: [u8; 32],
        backends: Vec<BackendInput>,
    ) -> io::Result<Self> {
        let (cpu_model, cpu_features) = parse_cpuinfo(&std::fs::read_to_string("/proc/cpuinfo")?);
        let uname = rustix::system::uname();
        Ok(Self {
            worker_program,
            backends,
            cpu_model,
            cpu_features,
            kernel: uname.release().to_string_lossy().into_owned(),
            architecture: uname.machine().to_string_lossy().into_owned(),
        })
    }

    /// Everything in it, one after the other.
    pub fn inputs(&self) -> Vec<EnvironmentInput> {
        let input = |name: &str, value: &str| EnvironmentInput {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let mut inputs = vec![input("worker program", &hex::encode(self.worker_program))];
        inputs.extend(self.backends.iter().map(|backend| {
            let fingerprint = match &backend.fingerprint {
                Ok(fingerprint) => format!("fingerprint {fingerprint:?}"),
                Err(reason) => format!("not on this machine: {reason}"),
            };
            let value = format!("{}, {fingerprint}", backend.version);
            input(&format!("backend {}", backend.id), &value)
        }));
        let features: Vec<_> = self.cpu_features.iter().map(String::as_str).collect();
        inputs.extend([
            input("processor", &self.cpu_model),
            input("processor features", &features.join(" ")),
            input("kernel", &self.kernel),
            input("architecture", &self.architecture),
        ]);
        inputs
    }

    /// What is another than it was `before`, for people: one line for each.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let (then, now) = (before.inputs(), self.inputs());
        for EnvironmentInput { name, value } in &now {
            match then.iter().find(|input| input.name == *name) {
                Some(input) if input.value == *value => {}
                _ if name == "processor features" => {
                    let gone = before.cpu_features.difference(&self.cpu_features);
                    let new = self.cpu_features.difference(&before.cpu_features);
                    let gone = gone.map(|feature| format!("-{feature}"));
                    let new = new.map(|feature| format!("+{feature}"));
                    let all: Vec<_> = gone.chain(new).collect();
                    changes.push(format!("{name}: {}", all.join(" ")));
                }
                Some(input) => changes.push(format!("{name}: was {}, is {value}", input.value)),
                None => changes.push(format!("{name}: new, {value}")),
            }
        }
        let gone = then.iter().filter(|input| now.iter().all(|other| other.name != input.name));
        changes.extend(gone.map(|input| format!("{}: gone, was {}", input.name, input.value)));
        changes
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
        for BackendInput { id, version, fingerprint } in &self.backends {
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn environment() -> Environment {
        Environment {
            worker_program: [1; 32],
            backends: vec![BackendInput {
                id: BackendId::from_static("wasmtime"),
                version: "48".into(),
                fingerprint: Ok(Fingerprint::of(&[b"x"])),
            }],
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
            |e| e.backends[0].version = "49".into(),
            |e| e.backends[0].fingerprint = Ok(Fingerprint::of(&[b"y"])),
            |e| e.cpu_model = "model name Intel".into(),
            |e| e.cpu_features.clear(),
            |e| e.kernel = "6.19".into(),
            |e| e.architecture = "aarch64".into(),
        ];
        let mut digests = vec![environment().digest()];
        assert!(environment().changes_since(&environment()).is_empty());
        for change in changes {
            let mut changed = environment();
            change(&mut changed);
            digests.push(changed.digest());
            assert_eq!(changed.changes_since(&environment()).len(), 1);
            assert_eq!(environment().changes_since(&changed).len(), 1);
        }
        let distinct: BTreeSet<_> = digests.iter().map(|digest| digest.0).collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn changes_are_said_in_words() {
        let mut other = environment();
        other.kernel = "6.19".into();
        other.cpu_features = ["avx".to_owned(), "avx512f".to_owned()].into();
        other.backends.clear();
        let fingerprint = Fingerprint::of(&[b"x"]);
        assert_eq!(
            environment().changes_since(&other),
            [
                format!("backend wasmtime: new, 48, fingerprint {fingerprint:?}"),
                "processor features: -avx512f +bmi2".into(),
                "kernel: was 6.19, is 6.18".into(),
            ]
        );
        let gone = other.changes_since(&environment());
        assert_eq!(gone[2], format!("backend wasmtime: gone, was 48, fingerprint {fingerprint:?}"));
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
