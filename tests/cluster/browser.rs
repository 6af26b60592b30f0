//! A real headless browser: opens pages, presses keys, changes width and colour scheme, takes screenshots.
//!
//! The tests control the browser through its driver and the WebDriver protocol, which is JSON over HTTP.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::Result;
use crate::http::send;
use crate::until::until;

/// Widths of a desktop window and of a phone, in CSS pixels.
pub(crate) const WIDE: u64 = 1_200;
pub(crate) const NARROW: u64 = 360;
/// Height of the window, and of the tallest screenshot.
const HEIGHT: u64 = 900;
const HEIGHT_MAX: u64 = 8_000;
/// Deadline of a script.
const SCRIPT_MS_MAX: u64 = 50_000;
/// Most presses of Tab to reach an element.
const TABS_MAX: usize = 300;
/// Keys, as WebDriver names them.
pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';

/// Flags of the browser. Root needs `--no-sandbox`; only our own pages are opened.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--window-size=1200,900",
];

/// A browser and its driver, which end when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    /// The driver's output.
    said: BufReader<ChildStdout>,
    /// The driver's address.
    address: String,
    session: String,
    profile: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Result<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            // The browser is in the same group, so it is killed with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = started.map_err(|error| {
            format!("chromedriver: {error}; apt-get install chromium chromium-driver")
        })?;
        let said = BufReader::new(driver.stdout.take().ok_or("no output")?);
        let (address, session) = (String::new(), String::new());
        let mut browser = Self { driver, said, address, session, profile: tempfile::tempdir()? };
        browser.address = browser.listens()?;
        let flags = FLAGS.iter().copied().map(String::from);
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let flags: Vec<String> = flags.chain([profile]).collect();
        let wanted = json!({
            "goog:chromeOptions": { "args": flags },
            "timeouts": { "script": SCRIPT_MS_MAX },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let begun = browser.ask("POST", "/session", &wanted)?;
        let session = begun["sessionId"].as_str().ok_or_else(|| format!("no session: {begun}"))?;
        browser.session = format!("/session/{session}");
        Ok(browser)
    }

    /// The driver's address, from its output.
    fn listens(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line)? == 0 {
                return Err("chromedriver ended before it named its port".into());
            }
            // "ChromeDriver was started successfully on port 43215."
            if let Some((_, port)) = line.trim_end().rsplit_once("successfully on port ") {
                return Ok(format!("127.0.0.1:{}", port.trim_end_matches('.')));
            }
        }
    }

    /// Sends a request to the driver.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (body, address) = (body.to_string(), &self.address);
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
        let reply = send(address, &format!("{head}{body}"))?;
        let value = reply.json()?["value"].take();
        if reply.status == 200 { Ok(value) } else { Err(format!("{path}: {value}").into()) }
    }

    fn command(&self, command: &str, body: &Value) -> Result<Value> {
        self.ask("POST", &format!("{}/{command}", self.session), body)
    }

    /// Sends a command of the DevTools protocol, for features that WebDriver does not have.
    fn tell(&self, method: &str, params: &Value) -> Result<Value> {
        self.command("goog/cdp/execute", &json!({ "cmd": method, "params": params }))
    }

    /// Opens a page of a master.
    pub(crate) fn open(&self, web: &str, path: &str) -> Result {
        self.command("url", &json!({ "url": format!("http://{web}{path}") }))?;
        Ok(())
    }

    /// Runs a function's body in the page. The page's policy does not apply to it.
    pub(crate) fn run(&self, script: &str) -> Result<Value> {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a function's body that passes its result to the callback in its last argument.
    pub(crate) fn run_async(&self, script: &str) -> Result<Value> {
        self.command("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Returns the visible text.
    pub(crate) fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText")?;
        Ok(text.as_str().ok_or("no text")?.to_owned())
    }

    /// Waits until the page shows all of these, without reloading it.
    pub(crate) fn shows(&self, words: &[&str]) -> Result {
        let mut text = String::new();
        let found = until(&format!("the page shows {words:?}"), || {
            text = self.text()?;
            Ok(words.iter().all(|word| text.contains(word)))
        });
        found.map_err(|error| format!("{error}; it shows {text}").into())
    }

    /// Presses and releases a key.
    pub(crate) fn press(&self, key: char) -> Result {
        let moves = ["keyDown", "keyUp"].map(|what| json!({ "type": what, "value": key }));
        let keys = json!({ "actions": [{ "type": "key", "id": "keys", "actions": moves }] });
        self.command("actions", &keys)?;
        Ok(())
    }

    /// Presses Tab until the focus is on an element that matches.
    pub(crate) fn tab_to(&self, selector: &str) -> Result {
        let is_there = format!("return document.activeElement.matches({})", json!(selector));
        for _ in 0..TABS_MAX {
            self.press(TAB)?;
            if self.run(&is_there)? == true {
                return Ok(());
            }
        }
        Err(format!("the key Tab does not lead to {selector}").into())
    }

    /// Emulates a system with a dark or a light colour scheme.
    pub(crate) fn dark(&self, is_dark: bool) -> Result {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": features }))?;
        Ok(())
    }

    /// Sets the width of the window.
    pub(crate) fn wide(&self, width: u64) -> Result {
        self.size(width, HEIGHT)
    }

    fn size(&self, width: u64, height: u64) -> Result {
        let (ratio, is_phone) = (1, width == NARROW);
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": ratio, "mobile": is_phone });
        self.tell("Emulation.setDeviceMetricsOverride", &size)?;
        Ok(())
    }

    /// Sets whether pages run scripts, from the next page on.
    pub(crate) fn scripts(&self, are_run: bool) -> Result {
        self.tell("Emulation.setScriptExecutionDisabled", &json!({ "value": !are_run }))?;
        Ok(())
    }

    /// Saves a picture of the whole page, at this width, with the files that tests leave for people to look at.
    pub(crate) fn picture(&self, name: &str, width: u64) -> Result {
        self.wide(width)?;
        let height = self.run("return document.documentElement.scrollHeight")?;
        self.size(width, height.as_u64().ok_or("no height")?.clamp(300, HEIGHT_MAX))?;
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), &json!({}))?;
        let picture = decoded(picture.as_str().ok_or("no picture")?)?;
        assert!(picture.starts_with(b"\x89PNG"), "{name} is a picture");
        let folder = target().join("pages");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{name}.png")), picture)?;
        self.wide(width)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ended_or_killed = self.ask("DELETE", &self.session, &json!({}));
        }
        if let Some(group) = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw) {
            let _killed_or_gone = kill_process_group(group, Signal::KILL);
        }
        let _reaped_or_not = self.driver.wait();
    }
}

/// Returns the folder of build results, which also holds the files that tests leave for people to look at.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the test's executable has a path");
    // target/debug/deps/cluster-…
    test.ancestors().nth(3).expect("tests lie three folders below target").to_owned()
}

/// Decodes base64.
fn decoded(text: &str) -> Result<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|&known| known == letter).ok_or("no base64")?;
        // The value is below 64. Bits of earlier letters are shifted out.
        (bits, held) = (bits << 6 | value as u32, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Ok(bytes)
}
