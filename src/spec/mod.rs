//! What jobs, tasks, attempts, failures, counters and manifests are, as plain data.
