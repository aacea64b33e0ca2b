//! The `HorizontalPodAutoscaler` of a service whose number follows its use.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::{CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::kubernetes::name;
use crate::model::run::Run;
use crate::model::task::autoscale::Autoscale;

#[must_use]
pub fn horizontal_pod_autoscaler(run: &Run, asked: Autoscale, labels: BTreeMap<String, String>) -> HorizontalPodAutoscaler {
    let metrics = [("cpu", asked.cpu), ("memory", asked.mem)].into_iter().filter_map(|(resource, percent)| percent.map(|percent| used(resource, percent)));
    let name = name::of_run(run);
    HorizontalPodAutoscaler {
        metadata: ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() },
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference { api_version: Some("apps/v1".into()), kind: "Deployment".into(), name },
            min_replicas: Some(asked.min),
            max_replicas: asked.max,
            metrics: Some(metrics.collect()),
            behavior: None,
        }),
        status: None,
    }
}

/// So many percent of what each pod asked for, on the average.
fn used(resource: &str, percent: i32) -> MetricSpec {
    let target = MetricTarget { type_: "Utilization".into(), average_utilization: Some(percent), ..MetricTarget::default() };
    MetricSpec { type_: "Resource".into(), resource: Some(ResourceMetricSource { name: resource.into(), target }), ..MetricSpec::default() }
}
