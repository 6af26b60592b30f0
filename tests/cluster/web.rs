//! The HTTP API of a cluster: every master gives the same answers as the command, and only to permitted clients.

use serde_json::Value;

use crate::commands::{Commands, Result};
use crate::dev::{Dev, send as signal};
use crate::fleet::Fleet;
use crate::http::{Reply, get, json, send};
use crate::masters::leader;
use crate::trial::Trial;
use crate::until::until;

/// Returns the web addresses of the masters, in the order of their numbers.
pub(crate) fn webs(commands: &Commands) -> Result<Vec<String>> {
    let masters = commands.json(&["masters"])?;
    let masters = masters.as_array().ok_or("no list")?.iter();
    Ok(masters.map(|master| master["web"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Returns a cluster that has run a word count as `j1`.
fn counted() -> Result<Dev> {
    let dev = Dev::start()?;
    dev.input(20_000)?;
    let job = Dev::job("wordcount");
    let arguments = ["in.txt", "-r", "3", "--split-size", "20KiB", "-o", "out", "-q"];
    let ended = dev.run(&[&["submit", &job][..], &arguments].concat())?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Ok(dev)
}

/// Checks that an error response is JSON with an error, a cause and a hint.
fn check_fault(reply: &Reply, status: u16, cause: &str) -> Result {
    assert_eq!(reply.status, status, "{reply:?}");
    let fault = reply.json()?;
    for key in ["error", "cause", "hint"] {
        assert!(fault[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {fault}");
    }
    assert!(fault["cause"].as_str().is_some_and(|said| said.contains(cause)), "{cause}: {fault}");
    Ok(())
}

#[test]
fn every_address_answers_as_described_and_as_the_command_does() -> Result {
    let dev = counted()?;
    assert_eq!(dev.webs.len(), 1);
    let web = &dev.webs[0];
    let described = json(web, "/api/v1/openapi.json")?;
    let paths = described["paths"].as_object().ok_or("no paths")?;
    for (path, item) in paths.iter().filter(|(path, _)| !path.ends_with("/events")) {
        let asked = path.replace("{job}", "j1").replace("{task}", "m0").replace("{worker}", "w1");
        let reply = get(web, &asked)?;
        assert_eq!(reply.status, 200, "{asked}: {reply:?}");
        let content = item["get"]["responses"]["200"]["content"].as_object().ok_or("none")?;
        let (kind, content) = content.iter().next().ok_or("no kind")?;
        assert!(reply.header("content-type").is_some_and(|it| it.starts_with(kind)), "{reply:?}");
        if kind == "application/json" {
            check_schema(&described, &content["schema"], &reply.json()?, &asked);
        }
    }
    for (path, arguments) in [
        ("/api/v1/jobs", &["jobs"][..]),
        ("/api/v1/jobs/j1/tasks?limit=1000", &["tasks", "j1"]),
        ("/api/v1/jobs/j1/counters", &["counters", "j1"]),
        ("/api/v1/masters", &["masters"]),
    ] {
        assert_eq!(json(web, path)?, dev.json(arguments)?, "{path}");
    }
    let (ours, mut theirs) = (json(web, "/api/v1/jobs/j1")?, dev.json(&["status", "j1"])?);
    theirs["version"] = ours["version"].clone();
    assert_eq!(ours, theirs);
    check_metrics(&get(web, "/metrics")?.body);
    Ok(())
}

/// Compares an answer with its schema: every required key, and no unknown key.
fn check_schema(described: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        let schema = &described["components"]["schemas"][name];
        assert!(!schema.is_null(), "{at}: {name} is not described");
        return check_schema(described, schema, value, at);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&is), "{at}: {value} is not one of {types:?}");
    if value.is_null() {
        return;
    }
    for item in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        check_schema(described, &schema["items"], item, at);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            !value[required.as_str().unwrap_or_default()].is_null()
                || is_nullable(properties, required),
            "{at}: {required}"
        );
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let schema = properties.get(key);
        assert!(schema.is_some(), "{at}: {key} is not described");
        check_schema(described, schema.unwrap_or(&Value::Null), value, &format!("{at} {key}"));
    }
}

fn is_nullable(properties: &serde_json::Map<String, Value>, key: &Value) -> bool {
    let schema = &properties[key.as_str().unwrap_or_default()];
    schema["type"].as_array().is_some_and(|types| types.contains(&"null".into()))
}

/// Checks that every line is a comment or a sample, and that the metrics count the finished job.
fn check_metrics(text: &str) {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_default();
        name.starts_with("gristmill_") && value.parse::<u64>().is_ok()
    };
    let odd: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("# ") && !sample(line)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let typed = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(typed, text.lines().filter(|line| line.starts_with("# HELP ")).count());
    for line in [
        "gristmill_master_leader 1",
        "gristmill_jobs{state=\"succeeded\"} 1",
        "gristmill_jobs_submitted_total 1",
        "gristmill_workers{state=\"alive\"} 2",
        "gristmill_slots 2",
        "gristmill_slots_busy 0",
        "gristmill_attempts_ended_total{state=\"failed\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
}

#[test]
fn each_page_of_a_list_links_to_the_next() -> Result {
    let dev = counted()?;
    for name in ["a", "b"] {
        let job = Dev::job("wordcount");
        let arguments = ["submit", &job, "in.txt", "-o", name, "-q"];
        assert_eq!(dev.run(&arguments)?.code, Some(0));
    }
    for (path, arguments) in [
        ("/api/v1/jobs/j1/tasks?limit=5", &["tasks", "j1"][..]),
        ("/api/v1/jobs?limit=2", &["jobs"]),
        ("/api/v1/jobs?state=succeeded&limit=1", &["jobs"]),
    ] {
        let limit: usize = path.rsplit('=').next().unwrap_or_default().parse()?;
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let reply = get(&dev.webs[0], &path)?;
            let page = reply.json()?.as_array().ok_or("no list")?.clone();
            assert!((1..=limit).contains(&page.len()), "{path}: {reply:?}");
            all.extend(page);
            let link = reply.header("link").and_then(|link| link.strip_suffix(">; rel=\"next\""));
            next = link.map(|link| link[1..].to_owned());
        }
        let mut listed = dev.json(arguments)?;
        if arguments == ["jobs"] {
            assert_eq!(listed[0]["id"], "j3", "the command lists the newest first");
            listed.as_array_mut().ok_or("no list")?.reverse();
        }
        assert_eq!(Value::from(all), listed, "{path}");
    }
    assert_eq!(json(&dev.webs[0], "/api/v1/jobs?state=failed")?, Value::Array(Vec::new()));
    assert_eq!(json(&dev.webs[0], "/api/v1/workers?offset=1&limit=1")?[0]["id"], "w2");
    Ok(())
}

#[test]
fn faults_have_a_cause_and_a_hint() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    for (path, status, cause) in [
        ("/api/v1/jobs/j9", 404, "no job j9"),
        ("/api/v1/jobs/j9/tasks", 404, "no job j9"),
        ("/api/v1/jobs/j9/tasks/m0", 404, "no job j9"),
        ("/api/v1/jobs/j9/counters", 404, "no job j9"),
        ("/api/v1/jobs/j9/events", 404, "no job j9"),
        ("/api/v1/workers/w9", 404, "no worker w9"),
        ("/api/v1/jobs/7", 400, "`7`"),
        ("/api/v1/jobs/j1/tasks/x1", 400, "`j1/x1`"),
        ("/api/v1/jobs?limit=0", 400, "limit must be 1 to 1000, got 0"),
        ("/api/v1/jobs?limit=1001", 400, "got 1001"),
        ("/api/v1/jobs?limit=1&limit=2", 400, "`limit` is given more than once"),
        ("/api/v1/jobs?user=me", 400, "`user` is not a parameter of this address"),
        ("/api/v1/jobs?state=lost", 400, "lost"),
        ("/api/v1/jobs?after=x", 400, "`x` is not a value of `after`"),
        ("/api/v1/events?after=1", 400, "`1` is not a value of `after`"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
        ("/api/v1/jobs/%6a1", 404, "%6a1"),
    ] {
        check_fault(&get(web, path)?, status, cause)?;
    }
    let long = format!("/api/v1/jobs?{}", "x".repeat(2_048));
    check_fault(&get(web, &long)?, 414, "at most 2048")?;
    let huge = format!("/{}", "x".repeat(64 << 10));
    assert!([414, 431].contains(&get(web, &huge)?.status), "more than the server reads");
    Ok(())
}

#[test]
fn other_sites_cannot_ask_through_a_users_browser() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let port = web.rsplit(':').next().unwrap_or_default();
    let own = format!("Host: {web}");
    let ask = |method: &str, headers: &str| {
        send(
            web,
            &format!("{method} /api/v1/jobs HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n"),
        )
    };
    let good = [
        own.clone(),
        format!("Host: localhost:{port}"),
        "Host: localhost".into(),
        format!("Host: [::1]:{port}"),
        format!("{own}\r\nOrigin: http://{web}\r\nSec-Fetch-Site: same-origin"),
        format!("{own}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate"),
        format!("{own}\r\nSec-Fetch-Site: none"),
    ];
    for headers in &good {
        let reply = ask("GET", headers)?;
        assert_eq!((reply.status, reply.body.as_str()), (200, "[]"), "{headers}: {reply:?}");
        let policy = reply.header("content-security-policy").ok_or("no policy")?;
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let head = ask("HEAD", &own)?;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (headers, status, cause) in [
        ("Host: evil.example", 421, "evil.example"),
        ("Host: localhost.evil.example:7480", 421, "localhost.evil.example"),
        ("Host: 192.168.0.1:7480", 421, "192.168.0.1"),
        ("Host: 0.0.0.0", 421, "0.0.0.0"),
        ("Accept: */*", 400, "Host"),
        ("Host: localhost\r\nHost: evil.example", 400, "Host"),
        ("Host: localhost\r\nOrigin: http://evil.example", 403, "evil.example"),
        ("Host: localhost\r\nOrigin: null", 403, "null"),
        ("Host: localhost\r\nOrigin: https://localhost", 403, "https://localhost"),
        (
            "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
            403,
            "is not `same-origin`",
        ),
        ("Host: localhost\r\nSec-Fetch-Site: same-site", 403, "is not `same-origin`"),
        ("Host: localhost\r\nContent-Length: 3", 413, "the request has a body"),
        ("Host: localhost\r\nTransfer-Encoding: chunked", 413, "the request has a body"),
    ] {
        check_fault(&ask("GET", headers)?, status, cause)?;
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let reply = ask(method, &own)?;
        check_fault(&reply, 405, method)?;
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    }
    let absolute = format!(
        "GET http://evil.example/api/v1/jobs HTTP/1.1\r\n{own}\r\nConnection: close\r\n\r\n"
    );
    check_fault(&send(web, &absolute)?, 421, "Host")
}

#[test]
fn any_master_answers_while_a_majority_lives() -> Result {
    let mut fleet = Fleet::start_masters(3, 1, 2)?;
    let trial = Trial::new(1, 3, 1);
    let job = trial.submit(&fleet)?;
    trial.check(&fleet, &job)?;
    let addresses = webs(&fleet)?;
    let jobs = fleet.json(&["jobs"])?;
    for web in &addresses {
        assert_eq!(json(web, "/api/v1/jobs")?, jobs, "{web}");
        assert_eq!(json(web, "/readyz")?["ready"], true);
        check_fault(&get(web, "/api/v1/jobs/j9")?, 404, "no job j9")?;
        assert_eq!(
            get(web, "/api/v1/jobs/j1/tasks?limit=1")?.header("link"),
            Some("</api/v1/jobs/j1/tasks?offset=1&limit=1>; rel=\"next\"")
        );
    }
    let first = leader(&fleet)?;
    let leads = |web: &str| {
        Ok::<_, Box<dyn std::error::Error>>(get(web, "/metrics")?.body.contains("gristmill_jobs{"))
    };
    for (number, web) in (1..).zip(&addresses) {
        assert_eq!(leads(web)?, number == first, "only the leader counts jobs");
    }
    fleet.kill_master_of(first)?;
    let left: Vec<&String> =
        (1..).zip(&addresses).filter(|&(n, _)| n != first).map(|(_, it)| it).collect();
    for web in &left {
        until("the others answer", || Ok(get(web, "/readyz")?.status == 200))?;
        assert_eq!(json(web, "/api/v1/jobs")?, jobs, "{web}");
    }
    let second = leader(&fleet)?;
    let last = (1..=3).find(|&n| n != first && n != second).ok_or("none")?;
    fleet.kill_master_of(second)?;
    let web = &addresses[last - 1];
    until("one alone does not answer", || Ok(get(web, "/readyz")?.status == 503))?;
    let refused = get(web, "/api/v1/jobs")?;
    check_fault(&refused, 503, "")?;
    assert_eq!(get(web, "/healthz")?.body, "ok\n", "the process is alive");
    let roles = json(web, "/api/v1/masters")?;
    assert_eq!(roles[first - 1]["role"], "unreachable", "{roles}");
    Ok(())
}

#[test]
fn web_listens_on_this_machine_only() -> Result {
    let dev = Dev::start()?;
    let data = dev.path("other").display().to_string();
    let start =
        ["master", "--id", "1", "--listen", "127.0.0.1:0", "--init", "--data", &data, "--web"];
    let refused = dev.run(&[&start[..], &["0.0.0.0:7480"]].concat())?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("is not on this machine"), "{}", refused.stderr);
    let taken = dev.run(&[&start[..], &[dev.webs[0].as_str()]].concat())?;
    assert_eq!(taken.code, Some(2), "{}", taken.stderr);
    assert!(taken.stderr.contains("name another address with --web"), "{}", taken.stderr);
    Ok(())
}

#[test]
fn idle_connections_do_not_delay_others() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(std::net::TcpStream::connect(web)?);
    }
    assert_eq!(json(web, "/api/v1/jobs")?, Value::Array(Vec::new()));
    signal("STOP", dev.pids[0])?;
    signal("CONT", dev.pids[0])?;
    until("idle connections are closed", || {
        let open = |stream: &std::net::TcpStream| {
            stream.set_nonblocking(true).is_ok() && !matches!(stream.peek(&mut [0]), Ok(0))
        };
        Ok(!idle.iter().any(open))
    })
}
