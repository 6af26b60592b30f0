//! Pages for people: they show the cluster, need no script, and escape users' text.

use std::fs;

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::dev::Dev;
use crate::examples::example;
use crate::fleet::Fleet;
use crate::http::{Reply, get, send};
use crate::masters::leader;
use crate::trial::{Trial, counted, status};
use crate::until::until;
use crate::web::webs;

/// Requests a page with the headers that a browser sends.
fn browse(web: &str, path: &str) -> Result<Reply> {
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Mode: navigate";
    send(
        web,
        &format!("GET {path} HTTP/1.1\r\nHost: {web}\r\n{accept}\r\nConnection: close\r\n\r\n"),
    )
}

/// Checks that a page is complete: it has our script and style sheet, loads nothing from elsewhere, and has nothing
/// that the policy forbids.
fn check_page(web: &str, path: &str) -> Result<String> {
    let reply = browse(web, path)?;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let page = reply.body;
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page}");
    assert!(page.trim_end().ends_with("</html>"), "{page}");
    for (word, times) in [("<script", 1), ("<h1>", 1), ("<main", 1), (" style=", 0)] {
        assert_eq!(page.matches(word).count(), times, "{path}: {word}");
    }
    for word in [" onclick", " onload", " onerror", "javascript:"] {
        assert!(!page.contains(word), "{path}: {word}");
    }
    assert!(page.contains("<script src=\"/live.js\" defer></script>"), "{page}");
    let foreign = page.split("http://").skip(1).filter(|rest| !rest.starts_with("127.0.0.1:"));
    assert_eq!(foreign.count() + page.matches("https://").count(), 0, "{page}");
    Ok(page)
}

/// Checks that a page contains all of these words.
fn check_has(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "{word} is not in {page}");
    }
}

#[test]
fn pages_show_the_cluster_and_a_jobs_progress() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    check_has(
        &check_page(web, "/")?,
        &[
            "No jobs are running or waiting",
            "gristmill submit --cluster 127.0.0.1:",
            ">w1<",
            ">w2<",
            ">m1<",
            "leader",
            "<b>2 / 2</b>workers alive",
        ],
    );
    dev.input(20_000)?;
    let wordcount = Dev::job("wordcount");
    let flags = ["-r", "3", "--split-size", "20KiB", "-o", "<img src=x>", "-q"];
    let ended = dev.run(&[&["submit", &wordcount, "in.txt"][..], &flags].concat())?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let page = check_page(web, "/jobs/j1")?;
    let started = counted(&dev, "j1", "attempts_started")?;
    assert_eq!(Attempts::started(&dev, "j1")?, started, "lists and counters agree");
    check_has(&page, &[&format!("<b>{started}</b>attempts")]);
    check_has(
        &page,
        &[
            "wordcount",
            ">succeeded<",
            "100 %",
            "<svg class=\"timeline\"",
            "<svg class=\"histogram\"",
            "Job Counters",
            "attempts_started",
            "j1/m0",
            "in.txt",
            "of input",
            "Largest partitions",
            "3 partitions",
            "<h2>Events</h2>",
            "<dt>Executable</dt><dd>wordcount</dd>",
            "map_input_records",
            "</time> submitted",
            "</time> mapping",
        ],
    );
    assert!(!page.contains("<img"), "the output's name is text: {page}");
    check_has(&page, &["&#60;img src=x&#62;"]);
    let bars = page.matches("<rect class=\"map succeeded\"").count();
    assert!(bars >= 1, "each attempt is drawn");
    check_has(&check_page(web, "/")?, &["href=\"/jobs/j1\"", "All jobs"]);
    check_has(&check_page(web, "/jobs")?, &["href=\"/jobs/j1\"", "wordcount"]);
    check_has(
        &check_page(web, "/jobs/j1/tasks")?,
        &["href=\"/jobs/j1/tasks/m0\"", "href=\"/jobs/j1/tasks/c0\"", ">completed<"],
    );
    let page = check_page(web, "/jobs/j1/tasks/m0")?;
    check_has(
        &page,
        &["j1/m0#1", "in.txt", " KiB from 1 file.", "<svg class=\"timeline\"", "No output."],
    );
    check_has(
        &check_page(web, "/workers/w1")?,
        &["w1", "Slots in use", "map outputs kept", "Memory in use", "Disk in use"],
    );
    Ok(())
}

#[test]
fn only_unfinished_lists_of_tasks_link_to_a_next_page() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let wordcount = Dev::job("wordcount");
    // With one reduce, the tasks, including the plan and the commit, fill exactly one page. With two reduces there is
    // one task more.
    fs::write(dev.path("many.txt"), "a\n".repeat(97 << 9))?;
    for (reduces, job, has_next) in [("1", "j1", false), ("2", "j2", true)] {
        let flags = ["-r", reduces, "--split-size", "1KiB", "-o", job, "-q"];
        let ended = dev.run(&[&["submit", &wordcount, "many.txt"][..], &flags].concat())?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let page = check_page(web, &format!("/jobs/{job}/tasks"))?;
        assert_eq!(page.matches("<tr><td><a").count(), 100, "{page}");
        assert_eq!(page.contains("rel=\"next\""), has_next, "{page}");
    }
    Ok(())
}

#[test]
fn pages_show_failures_and_escape_names() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    fs::create_dir(dev.path("marks"))?;
    fs::write(dev.path("<b>.txt"), "fine\ntrouble\n")?;
    let (odd, marks) = (example("odd"), dev.path("marks").display().to_string());
    let trouble = ["--trouble", "panic", "--marks", &marks, "-o", "none", "-q"];
    let failed = dev.run(&[&["submit", &odd, "<b>.txt"][..], &trouble].concat())?;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    for (path, record) in [("/jobs/j1", "`trouble`"), ("/jobs/j1/tasks/m0", "trouble")] {
        let page = check_page(web, path)?;
        let record = format!("&#60;b&#62;.txt: {record}");
        check_has(&page, &["panic", "tests/jobs/odd.rs:", &record]);
        check_has(&page, &["Next steps", "gristmill replay j1/m0#2 --cluster 127.0.0.1:"]);
        assert!(!page.contains("<b>.txt"), "a file's name is text: {page}");
    }
    let job = check_page(web, "/jobs/j1")?;
    check_has(&job, &["user code panicked at", ">failed<", "j1/m0#1 failed: panic"]);
    check_has(&job, &["href=\"/jobs/j1/tasks/m0\""]);
    // The page shows both attempts, and not only the last one.
    let both = ["j1/m0#1 failed on w", "j1/m0#2 failed on w", "&#60;b&#62;.txt</td>"];
    check_has(&check_page(web, "/jobs/j1/tasks/m0")?, &both);
    assert_eq!(check_page(web, "/jobs")?.matches("class=\"state ").count(), 1);
    let failure = get(web, "/api/v1/jobs/j1")?.json()?["failure"].take();
    assert_eq!((&failure["attempt"], &failure["cause"]), (&"j1/m0#2".into(), &"panic".into()));
    assert_eq!(failure["record"]["excerpt"], "trouble", "text, not bytes: {failure}");
    Ok(())
}

#[test]
fn pages_show_skew_hot_keys_and_bytes_read() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let trial = Trial::short();
    let job = trial.submit(&dev)?;
    trial.check(&dev, &job)?;
    // Each map has its own output, so each key comes from many of them.
    let page = check_page(web, &format!("/jobs/{job}"))?;
    check_has(
        &page,
        &["Hottest keys", "<td class=\"hot\">word-", "4 partitions", "KiB</b>of input"],
    );
    let status = status(&dev, &job)?;
    let input = fs::metadata(dev.path("in.txt"))?.len();
    for (kind, bytes) in [("maps", input), ("reduces", 1)] {
        let (done, total) = (&status[kind]["bytes_done"], &status[kind]["bytes_total"]);
        assert_eq!(done, total, "{status}");
        assert!(total.as_u64() >= Some(bytes), "{status}");
    }
    assert_eq!(status["maps"]["bytes_total"].as_u64(), Some(input));
    let workers = dev.json(&["workers"])?;
    for key in ["memory_bytes", "memory_free_bytes", "disk_bytes", "disk_free_bytes"] {
        assert!(workers[0][key].as_u64() > Some(0), "{key}: {workers}");
    }
    Ok(())
}

#[test]
fn errors_are_pages_for_browsers_and_json_for_programs() -> Result {
    let mut fleet = Fleet::start_masters(3, 0, 1)?;
    let addresses = webs(&fleet)?;
    for web in &addresses {
        check_has(&check_page(web, "/")?, &["No workers.", ">m3<"]);
        let missing = browse(web, "/jobs/j9")?;
        assert_eq!(
            (missing.status, missing.header("content-type")),
            (404, Some("text/html; charset=utf-8"))
        );
        check_has(&missing.body, &["no job j9", "Next step: "]);
        assert_eq!(get(web, "/jobs/j9")?.header("content-type"), Some("application/json"));
        assert_eq!(
            browse(web, "/api/v1/jobs/j9")?.header("content-type"),
            Some("application/json")
        );
    }
    let first = leader(&fleet)?;
    fleet.kill_master_of(first)?;
    let second = leader(&fleet)?;
    fleet.kill_master_of(second)?;
    let last = (1..=3).find(|&n| n != first && n != second).ok_or("none")?;
    let web = &addresses[last - 1];
    until("a page says that the cluster cannot answer", || {
        let page = browse(web, "/")?;
        Ok(page.status == 503
            && page.body.contains("data-busy")
            && page.body.contains("the cluster cannot answer now"))
    })
}
