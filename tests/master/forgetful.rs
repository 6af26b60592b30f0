//! The master that received a job's artifacts no longer runs when the job is submitted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use gristmill::client::{self, Error, Submission, submit};
use gristmill::master::Master;
use gristmill::model::{JobId, WorkerId};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::jobs::{JobLine, JobStatus, Jobs, Submit, TaskLine, TasksRequest, WorkerLine};
use gristmill::rpc::recipe::{Recipe, RecipeRequest};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::why::Why;

use crate::bench::{Bench, elf, spec};

struct Forgetful {
    master: Master,
    artifacts: PathBuf,
    /// How many more submissions lose their artifacts.
    left: AtomicU64,
}

impl Jobs for Forgetful {
    async fn submit(&self, request: Submit) -> Result<JobId, Refusal> {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            for entry in fs::read_dir(&self.artifacts).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        self.master.submit(request).await
    }

    async fn list(&self) -> Result<Vec<JobLine>, Refusal> {
        self.master.list().await
    }

    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        self.master.status(job, after).await
    }

    async fn tasks(&self, request: TasksRequest) -> Result<Vec<TaskLine>, Refusal> {
        self.master.tasks(request).await
    }

    async fn counters(
        &self,
        job: JobId,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        self.master.counters(job).await
    }

    async fn why(&self, job: JobId) -> Result<Why, Refusal> {
        self.master.why(job).await
    }

    async fn recipe(&self, request: RecipeRequest) -> Result<Recipe, Refusal> {
        self.master.recipe(request).await
    }

    async fn kill(&self, job: JobId) -> Result<(), Refusal> {
        self.master.kill(job).await
    }

    async fn workers(&self) -> Result<Vec<WorkerLine>, Refusal> {
        self.master.workers().await
    }

    async fn drain(&self, worker: WorkerId) -> Result<(), Refusal> {
        self.master.drain(worker).await
    }
}

impl Artifacts for Forgetful {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        self.master.has(digest).await
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.master.put(digest, file).await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.master.get(digest, file).await
    }
}

impl client::Masters for Forgetful {
    async fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Refusal> {
        let (digest, file) = (Digest::of(bytes), self.artifacts.with_file_name("bytes"));
        fs::write(&file, bytes).unwrap();
        self.put(digest, &file).await?;
        Ok(digest)
    }
}

#[tokio::test]
async fn client_resends_lost_artifacts_a_few_times() {
    let bench = Bench::new();
    let executable = bench.folder.path().join("job");
    fs::write(&executable, elf()).unwrap();
    let masters = |left| Forgetful {
        master: bench.master.clone(),
        artifacts: bench.folder.path().join("data/artifacts"),
        left: AtomicU64::new(left),
    };
    let submission = |id: &str| {
        let spec = spec(&format!("/out/{id}"));
        Submission::new(id.into(), executable.clone(), spec, false)
    };
    assert_eq!(submit(&masters(2), submission("a")).await.unwrap(), JobId(1));
    let refused = submit(&masters(u64::MAX), submission("b")).await.unwrap_err();
    let is_right = matches!(&refused, Error::Refused { cause: Refusal::NotFound { .. } });
    assert!(is_right, "{refused}");
}
