//! Named crash points at which tests kill the process, to check that nothing is lost; release builds have none.
//!
//! If `GRISTMILL_CRASH` names a folder, a process looks into that folder at each crash point that it passes. A file
//! there with the point's name, such as `l03`, arms the point. The file contains a number N: the Nth later pass kills
//! the process that makes it. That process first renames the file to `l03.struck`, writes its process id into it, and
//! reports the point on standard error. It then kills itself with SIGKILL. An armed point therefore kills exactly
//! one process, even if several processes share the folder. A restarted process is not killed again.
//!
//! Executors inherit the environment of their worker, and therefore its crash folder.

#[cfg(feature = "crash-points")]
pub(crate) use armed::pass;

/// Marks a crash point in the code: `crash_point!("l03")`, or `crash_point!("l03", condition)` if it applies only under
/// a condition.
#[cfg(feature = "crash-points")]
macro_rules! crash_point {
    ($point:literal) => {
        $crate::crash::pass($point)
    };
    ($point:literal, $is_so:expr) => {
        if $is_so {
            $crate::crash::pass($point)
        }
    };
}

#[cfg(not(feature = "crash-points"))]
macro_rules! crash_point {
    ($($any:tt)*) => {};
}

pub(crate) use crash_point;

#[cfg(feature = "crash-points")]
mod armed {
    use std::fs;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::sync::{LazyLock, Mutex, PoisonError};

    use rustix::process::{Signal, getpid, kill_process};

    /// Environment variable with the folder of armed points.
    pub(super) const VARIABLE: &str = "GRISTMILL_CRASH";

    /// Kills the process if this point is armed for this pass.
    pub(crate) fn pass(point: &str) {
        static FOLDER: LazyLock<Option<PathBuf>> =
            LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        static ONE: Mutex<()> = Mutex::new(());
        let Some(folder) = FOLDER.as_deref() else { return };
        let armed = folder.join(point);
        if !armed.exists() {
            return;
        }
        let _one_passes_at_a_time = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Ignore a point that another process is counting down at this moment.
        let left = fs::read_to_string(&armed).ok().and_then(|left| left.parse::<u32>().ok());
        match left {
            Some(left @ 2..) => {
                fs::write(&armed, (left - 1).to_string())
                    .expect("a crash point's file must be writable");
            }
            Some(_) => die(&armed, point),
            None => {}
        }
    }

    /// Kills the process, unless another process has taken the file.
    fn die(armed: &Path, point: &str) {
        let struck = armed.with_extension("struck");
        if fs::rename(armed, &struck).is_err() {
            return;
        }
        let pid = getpid();
        fs::write(struck, pid.to_string()).expect("the file was just renamed");
        let _heard_or_not = writeln!(std::io::stderr(), "crash point {point}");
        let killed = kill_process(pid, Signal::KILL);
        // SIGKILL takes effect before this call returns.
        unreachable!("a process may kill itself: {killed:?}");
    }
}

#[cfg(all(test, feature = "crash-points"))]
mod tests {
    use std::fs;
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Command, ExitStatus};

    use super::armed::VARIABLE;

    /// Environment variable that is set for the process that passes the points.
    const PASSES: &str = "GRISTMILL_TEST_PASSES";

    fn passes() {
        for passage in 1..=3 {
            crash_point!("t00", passage == 0);
            crash_point!("t01");
            crash_point!("t02", passage > 1);
        }
    }

    /// Runs the test in another process, and returns its exit status and output.
    fn in_a_process(folder: Option<&Path>) -> (ExitStatus, String) {
        let test = std::thread::current().name().map(String::from).expect("a test has a name");
        let mut command =
            Command::new(std::env::current_exe().expect("the test's executable has a path"));
        command.args(["--exact", &test, "--nocapture"]).env(PASSES, "1").env_remove(VARIABLE);
        if let Some(folder) = folder {
            command.env(VARIABLE, folder);
        }
        let ended = command.output().expect("the executable can be started again");
        (ended.status, String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    #[test]
    fn process_dies_once_at_the_armed_point_and_pass() {
        if std::env::var_os(PASSES).is_some() {
            return passes();
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(in_a_process(None).0.success() && in_a_process(Some(folder)).0.success());
        // The third pass of `t01` is between the first and second passes of `t02`.
        for (point, passage, others) in [("t01", 3, 1), ("t02", 2, 3)] {
            let other = if point == "t01" { "t02" } else { "t01" };
            fs::write(folder.join(point), passage.to_string()).unwrap();
            fs::write(folder.join(other), "9").unwrap();
            let (status, said) = in_a_process(Some(folder));
            assert_eq!(status.signal(), Some(9), "{said}");
            assert!(said.contains(&format!("crash point {point}\n")), "{said}");
            let left = fs::read_to_string(folder.join(other)).unwrap();
            assert_eq!(left, (9 - others).to_string());
            let struck = fs::read_to_string(folder.join(format!("{point}.struck"))).unwrap();
            assert!(struck.parse::<u32>().is_ok(), "{struck}");
            assert!(
                in_a_process(Some(folder)).0.success(),
                "a point that has struck must not kill the process again"
            );
        }
        fs::write(folder.join("t00"), "1").unwrap();
        fs::write(folder.join("t01"), "4").unwrap();
        assert!(in_a_process(Some(folder)).0.success(), "no point must be reached");
    }
}
