//! `gristmill report` writes one self-contained page. It shows the failure and its cause, and users' text is escaped.

use std::fs;

use crate::commands::Result;
use crate::dev::Dev;
use crate::examples::example;

#[test]
fn report_is_one_page_with_the_cause_and_escaped_names() -> Result {
    let dev = Dev::start()?;
    fs::create_dir(dev.path("marks"))?;
    fs::write(dev.path("<b>.txt"), "fine\ntrouble\n")?;
    let (odd, marks) = (example("odd"), dev.path("marks").display().to_string());
    let trouble = ["--trouble", "say,panic", "--marks", &marks, "-o", "none", "-q"];
    let failed = dev.run(&[&["submit", &odd, "<b>.txt"][..], &trouble].concat())?;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let report = dev.run(&["report", "j1"])?;
    assert_eq!((report.code, report.stderr.as_str()), (Some(0), ""));
    let page = report.stdout;
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    for word in ["<script", "<link", "<a ", " src=", "<b>", "href"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    for word in [
        "j1 odd <span class=\"state failed\">failed</span>",
        "user code panicked at tests/jobs/odd.rs:",
        "&#60;b&#62;.txt: `trouble`",
        "the last words",
        "gristmill replay j1/m0#2",
        "<svg class=\"timeline\"",
        "<h3>j1/m0#1 on w",
        "attempts_started",
        "Memory per attempt",
        "<dt>Executable</dt><dd>odd</dd>",
        "<dt>--trouble</dt><dd>say, panic",
        "Next steps",
        "executor's protocol",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let none = dev.run(&["report", "j9"])?;
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    assert!(none.stderr.starts_with("error: no job j9"), "{}", none.stderr);
    Ok(())
}
