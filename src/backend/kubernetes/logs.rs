//! Logs of a run: what its containers print, in the order in which they ran, with the kubelet's times.

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;

use super::apply::Access;
use super::name::{MAIN, RESULTS};
use super::news::pods;
use super::patience::at_length;
use super::seen::SeenPod;
use super::watch::Sight;
use crate::backend::LogLine;
use crate::error::Result;
use crate::model::run::Run;

/// How many of the last lines explain an end.
const LAST: i64 = 20;

/// The last that the main container printed. Empty where it cannot be had.
pub async fn last_lines(access: &Access, pod: &SeenPod) -> Vec<String> {
    let params = LogParams { container: Some(MAIN.into()), tail_lines: Some(LAST), ..LogParams::default() };
    let text = access.api::<Pod>().logs(&pod.name, &params).await.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The log from a byte on: lines of JSON, as the local runner writes them.
pub async fn read(access: &Access, run: &Run, sight: &Sight, from: u64) -> Result<(Vec<u8>, u64)> {
    let api = access.api::<Pod>();
    let mut log = Vec::new();
    for (attempt, pod) in pods(run, sight).into_iter().enumerate() {
        for container in pod.containers.iter().filter(|container| container.name != RESULTS && (container.init || container.name == MAIN)) {
            if container.running.is_none() && container.ended.is_none() {
                continue;
            }
            let params = LogParams { container: Some(container.name.clone()), timestamps: true, ..LogParams::default() };
            let text = match at_length(|| async {
                let mut text = Vec::new();
                let mut stream = api.log_stream(&pod.name, &params).await?;
                stream.read_to_end(&mut text).await.map_err(kube::Error::ReadEvents)?;
                Ok(text)
            })
            .await
            {
                Ok(text) => text,
                // The pod is gone, and its log with it.
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 400 => continue,
                Err(error) => return Err(access.refused::<Pod>("get log of", &pod.name, &error)),
            };
            let attempt = u32::try_from(attempt + 1).unwrap_or(u32::MAX);
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                log.extend(serde_json::to_vec(&parse(line, attempt)).unwrap_or_default());
                log.push(b'\n');
            }
        }
    }
    let size = log.len();
    let from = usize::try_from(from).unwrap_or(size).min(size);
    Ok((log.split_off(from), size as u64))
}

/// A line as the kubelet gives it: `2026-01-01T00:00:00.123456789Z text`.
fn parse(line: &[u8], attempt: u32) -> LogLine {
    let line = String::from_utf8_lossy(line);
    let (time, text) = line.split_once(' ').unwrap_or((&line, ""));
    let (seconds, text) = match time.parse::<jiff::Timestamp>() {
        Ok(time) => (time.as_duration().as_secs_f64(), text),
        Err(_) => (0.0, line.as_ref()),
    };
    let (stream, message) = text.strip_prefix("runwright: ").map_or(("stdout", text), |message| ("runner", message));
    LogLine { time: seconds, stream: stream.into(), attempt, message: message.trim_end_matches('\r').into(), level: None, logger: None }
}
