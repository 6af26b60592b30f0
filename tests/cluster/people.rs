//! A cluster's pages in a real browser: numbers update by themselves, failures show the records that caused them, and
//! pages are accessible.

use std::fs;

use serde_json::Value;

use crate::axe::Axe;
use crate::browser::{Browser, ENTER, NARROW, TAB, WIDE};
use crate::commands::{Commands, Result};
use crate::dev::Dev;
use crate::examples::example;
use crate::until::until;

/// A file name that would run a script if a page did not escape it.
const NAME: &str = "<b>in<img src=x onerror=document.title='taken'>.txt";

/// Runs `j1`, which counts words and succeeds.
fn succeed(dev: &Dev) -> Result {
    dev.input(20_000)?;
    fs::rename(dev.path("in.txt"), dev.path(NAME))?;
    let wordcount = Dev::job("wordcount");
    let flags = [NAME, "-r", "3", "--split-size", "20KiB", "-o", "<i>out", "-q"];
    let ended = dev.run(&[&["submit", &wordcount][..], &flags].concat())?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Ok(())
}

/// Runs `j2`, which panics on a record in both attempts.
fn fail(dev: &Dev) -> Result {
    fs::create_dir_all(dev.path("marks"))?;
    fs::write(dev.path("<i>bad.txt"), "fine\ntrouble\n")?;
    let (odd, marks) = (example("odd"), dev.path("marks").display().to_string());
    let flags = ["<i>bad.txt", "--trouble", "panic", "--marks", &marks, "-o", "none", "-q"];
    let ended = dev.run(&[&["submit", &odd][..], &flags].concat())?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    Ok(())
}

/// Starts `j3`, which holds both slots until the test releases its maps one by one, and `j4`, which waits for a slot.
fn wait(dev: &Dev) -> Result {
    let (odd, marks) = (example("odd"), dev.path("marks").display().to_string());
    // Exactly one KiB, the smallest split size.
    let split = |name: &str| format!("wait {name}\n{}", "fine\n".repeat(203));
    for (job, lines) in [("j3", split("one") + &split("two")), ("j4", split("six"))] {
        let (input, out) = (format!("{job}.txt"), format!("out-{job}"));
        fs::write(dev.path(&input), lines)?;
        // With bad records allowed, maps do not join into one attempt.
        let flags = ["--split-size", "1KiB", "--max-bad-records", "1", "--marks", &marks];
        let ended =
            dev.run(&[&["submit", "--detach", &odd, &input, "-o", &out], &flags[..]].concat())?;
        assert_eq!(ended.stdout.trim_end(), job, "{}", ended.stderr);
        if job == "j3" {
            until("both slots are in use", || Ok(running(dev, job)? == 2))?;
        }
    }
    Ok(())
}

fn running(commands: &Commands, job: &str) -> Result<u64> {
    Ok(commands.json(&["status", job])?["maps"]["running"].as_u64().unwrap_or(0))
}

/// Lets a map continue.
fn release(dev: &Dev, name: &str) -> Result {
    Ok(fs::write(dev.path("marks").join(name), "")?)
}

#[test]
fn pages_update_without_reloading() -> Result {
    let dev = Dev::start()?;
    let (web, browser) = (&dev.webs[0], Browser::start()?);
    browser.open(web, "/")?;
    browser.shows(&["No jobs are running or waiting", "No finished jobs", "live"])?;
    browser.run("window.loadedOnce = true")?;
    succeed(&dev)?;
    fail(&dev)?;
    wait(&dev)?;
    browser.shows(&["wordcount", "succeeded", "failed", "mapping", "j4", "waiting"])?;
    browser.tab_to("a[href='/jobs/j2']")?;
    browser.press(ENTER)?;
    browser.shows(&["Failed", "no luck", "tests/jobs/odd.rs:", "<i>bad.txt: `trouble`"])?;
    browser.shows(&["Next steps", "gristmill replay j2/m0#", "--trouble", "panic"])?;
    assert_eq!(
        browser.run("return window.loadedOnce")?,
        Value::Null,
        "the link led to another page"
    );

    browser.open(web, "/jobs/j4")?;
    browser.shows(&["Waiting", "Next steps"])?;
    let size = "return getComputedStyle(document.querySelector('.wait .large')).fontSize";
    assert_eq!(browser.run(size)?, "36px", "a waiting job says so in large type");
    browser.open(web, "/jobs/j3")?;
    browser.shows(&["live", "0 of 2 done"])?;
    browser.run("window.loadedOnce = true; document.querySelector('.pages a').focus()")?;
    release(&dev, "one")?;
    browser.shows(&["1 of 2 done"])?;
    release(&dev, "two")?;
    browser.shows(&["2 of 2 done", "succeeded"])?;
    assert_eq!(browser.run("return window.loadedOnce")?, true);
    let focused = browser.run("return document.activeElement.getAttribute('href')")?;
    assert_eq!(focused, "/jobs/j3/tasks", "the focus stays where it was");
    release(&dev, "six")?;
    browser.open(web, "/jobs")?;
    until("all jobs have succeeded", || Ok(browser.text()?.matches("succeeded").count() == 3))
}

#[test]
fn name_made_of_html_is_rejected_or_shown_as_text() -> Result {
    let dev = Dev::start()?;
    let (web, browser) = (&dev.webs[0], Browser::start()?);
    let wordcount = Dev::job("wordcount");
    let refused =
        dev.run(&["submit", "--name", "<b>nightly", &wordcount, "in.txt", "-o", "out"])?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    succeed(&dev)?;
    fail(&dev)?;
    for (path, words) in [
        ("/jobs/j1", &[NAME, "<i>out"][..]),
        ("/jobs/j1/tasks/m0", &[NAME]),
        ("/jobs/j2", &["<i>bad.txt: `trouble`"]),
        ("/jobs/j2/tasks/m0", &["<i>bad.txt: trouble"]),
    ] {
        browser.open(web, path)?;
        browser.shows(words)?;
        // Tiles and phases have numbers in <b>; no element of these kinds may come from a name.
        let made = "return [...document.querySelectorAll('main b, main i, main img, main script')]
                        .filter((it) => it.tagName !== 'B' || /in|bad/.test(it.innerText)).length";
        assert_eq!(browser.run(made)?, 0, "{path}");
        let title = browser.run("return document.title")?;
        assert!(title.as_str().is_some_and(|title| title.ends_with("Gristmill")), "{title}");
    }
    Ok(())
}

#[test]
fn pages_work_by_keyboard_and_without_scripts() -> Result {
    let dev = Dev::start()?;
    let (web, browser) = (&dev.webs[0], Browser::start()?);
    succeed(&dev)?;
    fail(&dev)?;
    browser.open(web, "/jobs/j1")?;
    browser.press(TAB)?;
    let focused = "return document.activeElement.innerText";
    assert_eq!(browser.run(focused)?, "Skip to content");
    let ring = "return getComputedStyle(document.activeElement).outlineStyle";
    browser.press(TAB)?;
    assert_eq!(browser.run(ring)?, "solid", "the focus is visible");
    // The keyboard reaches the scrollable timeline, and each attempt is a link.
    for selector in ["[aria-label=Timeline]", ".timeline a", "a[href='/jobs/j1/tasks']"] {
        browser.tab_to(selector)?;
    }
    browser.press(ENTER)?;
    browser.shows(&["Tasks of j1", "j1/m0", "j1/c0", "completed"])?;

    browser.scripts(false)?;
    for (path, words) in [
        ("/", &["wordcount", "j2", "w1", "w2", "m1", "leader"][..]),
        (
            "/jobs/j1",
            &[NAME, "succeeded", "100 %", "attempts_started", "map_input_records", "Timeline"],
        ),
        ("/jobs/j2", &["Failed", "no luck", "<i>bad.txt: `trouble`", "gristmill replay"]),
        ("/jobs/j1/tasks?sort=took", &["Took", "Peak memory", "j1/m0", "j1/r2"]),
        ("/jobs/j1/tasks/r0", &["records in", "records out", "spill files", "peak memory"]),
        ("/jobs/j2/tasks/m0", &["j2/m0#2", "no luck", "Log of"]),
        ("/workers/w1", &["Slots", "0 of 1", "Memory", "Disk"]),
    ] {
        browser.open(web, path)?;
        let text = browser.text()?;
        for word in words {
            assert!(text.contains(word), "{path} does not show {word} without scripts: {text}");
        }
        let live = browser.run("return document.getElementById('live').innerText")?;
        assert_eq!(live, "", "no script ran");
    }
    Ok(())
}

#[test]
fn pages_are_accessible_dark_or_light_wide_or_narrow() -> Result {
    let dev = Dev::start()?;
    let (web, browser, axe) = (&dev.webs[0], Browser::start()?, Axe::fetch()?);
    browser.open(web, "/")?;
    axe.check(&browser, "an empty overview")?;
    succeed(&dev)?;
    fail(&dev)?;
    wait(&dev)?;
    for (name, path) in [
        ("overview", "/"),
        ("jobs", "/jobs"),
        ("job-done", "/jobs/j1"),
        ("job-failed", "/jobs/j2"),
        ("job-running", "/jobs/j3"),
        ("job-waiting", "/jobs/j4"),
        ("tasks", "/jobs/j1/tasks?sort=took"),
        ("task-done", "/jobs/j1/tasks/r0"),
        ("task-failed", "/jobs/j2/tasks/m0"),
        ("worker", "/workers/w1"),
        ("missing", "/jobs/j9"),
    ] {
        browser.open(web, path)?;
        for (light, is_dark) in [("light", false), ("dark", true)] {
            browser.dark(is_dark)?;
            for (size, width) in [("wide", WIDE), ("narrow", NARROW)] {
                browser.wide(width)?;
                let what = format!("{name}-{light}-{size}");
                axe.check(&browser, &what)?;
                let room = browser.run("return document.documentElement.scrollWidth")?;
                assert_eq!(room, width, "{what}: the page does not scroll sideways");
                browser.picture(&what, width)?;
            }
        }
    }
    ["one", "two", "six"].iter().try_for_each(|name| release(&dev, name))
}
