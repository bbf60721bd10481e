//! Follows the pages *Writing a backend* and *A format of its own* word by word, as somebody would who has
//! nothing but a page and a checkout: in a folder of its own outside of it, each file written and each
//! command run, in the order of the page.

use pvf_book::{Page, forget_cargo, is_like, root};
use std::{
    env,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The folder of this build, in which dependencies are compiled already: nothing in it is changed that
/// anybody else uses.
fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("it is in the target folder").to_owned()
}

/// How the reader's shell is: where it is, and that it stays there from one block to the next.
struct Shell {
    place: PathBuf,
    folder: PathBuf,
}

impl Shell {
    fn run(&mut self, commands: &str) -> Output {
        let here = self.place.join("here");
        let script = format!("set -eu\n{commands}\npwd >'{}'\n", here.display());
        let mut shell = Command::new("bash");
        forget_cargo(&mut shell);
        let output = shell
            .args(["-c", &script])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target())
            .env("TMPDIR", &self.place)
            .output()
            .expect("there is a shell");
        if output.status.success() {
            let folder = fs::read_to_string(here).expect("it has been written");
            self.folder = folder.trim().into();
        }
        output
    }
}

/// The settings by which the checkout compiles what it depends on, and itself. With the same ones the
/// former need not be compiled again, and the latter is sooner.
fn profile() -> String {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let sections = manifest.split_inclusive("\n\n");
    let dependencies = sections.filter(|section| section.contains("[profile.dev.package."));
    let ours = ["conformance", "host-core", "host-functions", "node", "wasm-code", "workers"];
    let ours = ours.map(|name| format!("[profile.dev.package.pvf-{name}]\nopt-level = 0\n"));
    dependencies.map(str::to_owned).chain(ours).collect()
}

/// Has the checkout in `folder`, as symbolic links.
///
/// One manifest is another one there: the engines that the reader compares with are to be those that were
/// compiled for the checkout's own tests, and Cargo compiles anew what has other features. So what the
/// checkout has switched on, by a tool for tests, is switched on here as well.
fn link_checkout(folder: &Path) {
    fs::create_dir(folder).expect("it can be made");
    fs::create_dir(folder.join("node")).expect("it can be made");
    let link_all = |from: &Path, to: &Path| {
        for entry in fs::read_dir(from).expect("a folder can be read") {
            let name = entry.expect("a folder can be read").file_name();
            let to = to.join(&name);
            if name != "target" && name != ".git" && !to.exists() {
                symlink(from.join(&name), to).expect("it can be linked");
            }
        }
    };
    let manifest = fs::read_to_string(root().join("node/Cargo.toml")).expect("it is there");
    let with_features =
        "[dependencies]\narbitrary = { version = \"1\", features = [\"derive\"] }\n";
    let changed = manifest.replace("[dependencies]\n", with_features);
    assert_ne!(changed, manifest);
    fs::write(folder.join("node/Cargo.toml"), changed).expect("it can be written");
    link_all(&root().join("node"), &folder.join("node"));
    link_all(root(), folder);
}

/// A folder outside of the checkout. It has the same name each time, so that what is compiled there need
/// not be compiled again, and whoever comes second waits.
struct Place {
    folder: PathBuf,
    _lock: File,
}

impl Place {
    fn new() -> Self {
        let mut hasher = DefaultHasher::new();
        root().hash(&mut hasher);
        let name = format!("pvf-book-{:016x}", hasher.finish());
        let folder = env::temp_dir().join(&name);
        // It stays: whoever waits for it must not wait for another file than who comes next.
        let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let lock = File::create(lock.with_extension("lock")).expect("it can be made");
        lock.lock().expect("it can be locked");
        // Somebody was interrupted.
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("it can be removed");
        }
        fs::create_dir(&folder).expect("it can be made");
        Self { folder, _lock: lock }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Does all that a page says. It is to lead to a crate of this name.
fn follow(page: &str, name: &str) {
    let place = Place::new();
    link_checkout(&place.folder.join("pvf-host"));
    fs::create_dir(place.folder.join(".cargo")).unwrap();
    fs::write(place.folder.join(".cargo/config.toml"), profile()).unwrap();
    let mut shell = Shell { place: place.folder.clone(), folder: place.folder.clone() };

    let page = Page::read(page);
    let blocks = page.blocks();
    let (mut files, mut commands) = (0, 0);
    for (index, block) in blocks.iter().enumerate() {
        if let Some(file) = block.file() {
            let path = shell.folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &block.text).unwrap();
            files += 1;
        } else if block.language == "sh" {
            let output = shell.run(&block.text);
            let stdout = String::from_utf8_lossy(&output.stdout);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}\n{stdout}{stderr}", block.place());
            if let Some(shown) = blocks.get(index + 1).filter(|next| next.has("output")) {
                assert!(is_like(&stdout, &shown.text), "{}: but\n{stdout}", shown.place());
            }
            commands += 1;
        }
    }
    assert!(files >= 6 && commands >= 4, "{files} files, {commands} blocks of commands");
    assert!(shell.folder.ends_with(name));
    assert!(!shell.folder.starts_with(root()), "it was to be outside of the checkout");
}

#[test]
fn whoever_follows_the_page_gets_a_backend_that_passes_the_suite_and_agrees_with_wasmtime() {
    follow("docs/src/writing-a-backend.md", "my-backend");
}

#[test]
fn whoever_has_a_format_of_their_own_gets_a_backend_that_a_host_validates_with() {
    follow("docs/src/another-format.md", "my-engine");
}
