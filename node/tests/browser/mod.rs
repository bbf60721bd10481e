//! A real headless Chromium, driven through its debugging pipe.

#![allow(unreachable_pub, reason = "shared by tests")]

use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// If this variable is set, a browser that is not there is an error.
const REQUIRED: &str = "PVF_REQUIRE_CHROMIUM";

/// If this variable names a folder, screenshots are put there.
const SCREENSHOTS: &str = "PVF_SCREENSHOTS";

/// The browser with one page.
pub struct Browser {
    child: Child,
    /// Taken when it is closed.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    last_id: u64,
    session: Value,
    /// What it told without being asked.
    events: Vec<Value>,
    /// Its profile and temporary files.
    directory: TempDir,
    /// Ends the watch when dropped.
    _watched: mpsc::Sender<()>,
}

impl Browser {
    /// Starts the browser. None if there is none, and none is required.
    pub fn start() -> Option<Self> {
        if Command::new("chromium").arg("--version").output().is_err() {
            assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set and there is no chromium");
            eprintln!("there is no chromium, so nothing is tested");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        let mut child = Command::new("sh")
            // The browser listens on descriptor 3 and answers on 4.
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run"])
            // The page is ours, and the sandbox needs rights that a container may not give.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-crash-reporter", "--disable-breakpad"])
            .arg(format!("--user-data-dir={}", home.join("profile").display()))
            .envs(["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| (name, home)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        let watched = watch(child.id());
        let mut browser = Self {
            child,
            to,
            from,
            last_id: 0,
            session: Value::Null,
            events: vec![],
            directory,
            _watched: watched,
        };
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", &attach)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Shows a file as on a screen of this width, in a theme.
    pub fn open(&mut self, file: &Path, width: u32, theme: &str) {
        let screen = json!({
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", &screen);
        let theme = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.call("Emulation.setEmulatedMedia", &theme);
        self.events.clear();
        let url = format!("file://{}", file.display());
        let went = self.call("Page.navigate", &json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{went}");
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive();
            self.events.push(event);
        }
    }

    /// What an expression in the page gives.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let evaluated = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &evaluated);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What the page asked the network for since it was opened.
    pub fn requests(&self) -> Vec<&str> {
        let requests = self.of("Network.requestWillBeSent");
        requests.map(|event| event["params"]["request"]["url"].as_str().unwrap()).collect()
    }

    /// What the console says since the page was opened.
    pub fn complaints(&self) -> Vec<&Value> {
        let methods = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];
        methods.into_iter().flat_map(|method| self.of(method)).collect()
    }

    fn of(&self, method: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["method"] == method)
    }

    /// Takes a picture of the whole page, if somebody wants to look at it.
    pub fn photograph(&mut self, name: &str) {
        let Some(folder) = env::var_os(SCREENSHOTS) else { return };
        let whole = json!({ "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", &whole);
        let png = decode_base64(picture["data"].as_str().unwrap());
        fs::write(Path::new(&folder).join(name), png).unwrap();
    }

    /// Ends the browser, and checks that nothing of it is left.
    pub fn close(mut self) {
        self.call("Browser.close", &json!({}));
        drop(self.to.take());
        assert!(self.child.wait().unwrap().success());
        // Its helpers end by themselves when it is gone.
        let name = self.directory.path().to_str().unwrap().to_owned();
        let start = Instant::now();
        while let Some(process) = process_with(&name) {
            assert!(start.elapsed() < Duration::from_secs(10), "left behind: {process}");
            thread::sleep(Duration::from_millis(20));
        }
        let path = self.directory.path().to_owned();
        drop(self);
        assert!(!path.exists());
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_null() && !method.starts_with("Browser.") {
            message["sessionId"] = self.session.clone();
        }
        let to = self.to.as_mut().expect("the browser is open");
        to.write_all(format!("{message}\0").as_bytes()).unwrap();
        to.flush().unwrap();
        loop {
            let mut answer = self.receive();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    #[track_caller]
    fn receive(&mut self) -> Value {
        let mut message = vec![];
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has died, or was too slow");
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After a failed test. The helpers follow.
        if self.to.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Kills the browser if the sender is not dropped in time, so that no test waits for ever.
fn watch(pid: u32) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(120)) == Err(mpsc::RecvTimeoutError::Timeout) {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    sender
}

/// The command line of a process that has this text in it.
fn process_with(text: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap();
    let lines = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).find(|l| l.contains(text))
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |c| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits = text.trim_end_matches('=').as_bytes();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = group.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(value(*c)));
        let bits = bits << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    groups.collect()
}
