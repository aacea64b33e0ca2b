//! What the API server itself gives: a bare loop of creates, and a bare watch. Answers as `peers/worker.py` does.
//!
//! `bare <folder> <in flight>`, with KUBECONFIG; the Job is `<folder>/job.json`. `create N` creates N of it under fresh names and gives the last; after `watch 1`, `ends 1`
//! tells by run when the API server first said that the main container of its pod had ended, and when that its Job had.

#![allow(clippy::expect_used)] // It ends with what went wrong.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// When the end of each run was told.
type Seen = Arc<Mutex<HashMap<String, f64>>>;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = arguments.next().expect("a folder");
    let in_flight: usize = arguments.next().expect("how many in flight").parse().expect("a number");
    runwright::install_tls();
    let client = Client::try_default().await.expect("a client");
    let jobs = Api::default_namespaced(client.clone());
    let (pods, of_jobs) = (Seen::default(), Seen::default());
    let mut watches = Vec::new();
    answer(&json!({"ready": ["create", "watch", "ends"]}));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (verb, times) = line.split_once(' ').expect("a verb and a number");
        let (began, mut value) = (Instant::now(), Value::Null);
        match verb {
            "create" => value = create(&jobs, &manifest(&folder), times.parse().expect("a number"), in_flight).await.into(),
            "watch" => watches.extend([watch::<Pod>(client.clone(), pods.clone()).await, watch::<Job>(client.clone(), of_jobs.clone()).await]),
            "ends" => value = json!({"pods": *pods.lock().expect("no poison"), "jobs": *of_jobs.lock().expect("no poison")}),
            other => panic!("no verb {other}"),
        }
        answer(&json!({"seconds": began.elapsed().as_secs_f64(), "value": value}));
    }
}

fn answer(value: &Value) {
    println!("{value}");
    std::io::stdout().flush().expect("somebody reads");
}

fn manifest(folder: &str) -> Job {
    let text = std::fs::read(Path::new(folder).join("job.json")).expect("job.json");
    serde_json::from_slice(&text).expect("a Job")
}

async fn create(jobs: &Api<Job>, manifest: &Job, count: usize, in_flight: usize) -> Option<String> {
    let params = PostParams::default();
    let one = |_| {
        let mut job = manifest.clone();
        job.metadata.name = Some(format!("bare-{}", uuid::Uuid::now_v7()));
        let params = &params;
        async move { jobs.create(params, &job).await }
    };
    let created: Vec<Job> = futures::stream::iter(0..count).map(one).buffer_unordered(in_flight).try_collect().await.expect("created");
    assert_eq!(created.len(), count);
    created.last().map(Job::name_any)
}

/// Begins now, and notes the ends until the process ends.
async fn watch<K: Ends>(client: Client, ends: Seen) -> tokio::task::JoinHandle<()> {
    let api: Api<K> = Api::default_namespaced(client);
    let version = api.list(&ListParams::default().limit(1)).await.expect("a list").metadata.resource_version.unwrap_or_default();
    let mut told = api.watch(&WatchParams::default().timeout(290), &version).await.expect("a watch").boxed();
    tokio::spawn(async move {
        while let Some(event) = told.try_next().await.expect("the watch goes on") {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
            if let Some(run) = object.labels().get("runwright.dev/run").filter(|_| object.has_ended()) {
                let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
                ends.lock().expect("no poison").entry(run.clone()).or_insert(now);
            }
        }
    })
}

/// What is seen to end.
trait Ends: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static {
    fn has_ended(&self) -> bool;
}

impl Ends for Pod {
    fn has_ended(&self) -> bool {
        let mut containers = self.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        containers.any(|container| container.name == "main" && container.state.as_ref().is_some_and(|state| state.terminated.is_some()))
    }
}

impl Ends for Job {
    fn has_ended(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.status == "True" && ["Complete", "Failed"].contains(&condition.type_.as_str()))
    }
}
