//! The Service under whose name a run that serves is reached.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::selector;
use crate::backend::kubernetes::name;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::task::{self as asked, TaskParameters};
use crate::model::workload::Process;

/// The ports at which a run that serves is reached: those that it asks for, else that of the server of a function.
#[must_use]
pub fn ports(process: &Process, task: &TaskParameters) -> Vec<asked::ServicePort> {
    match process {
        Process::Serve(serve) if task.service_ports.is_empty() => vec![asked::ServicePort { port: serve.port(), target_port: serve.port() }],
        _ => task.service_ports.clone(),
    }
}

/// None where there is no port.
pub fn service(run: &Run, task: &TaskParameters, ports: &[asked::ServicePort], labels: BTreeMap<String, String>) -> Result<Option<Service>> {
    if ports.is_empty() {
        let nameless = [("service_name", task.service_name.as_deref()), ("service_type", task.service_type.map(asked::ServiceType::as_str))];
        let given = nameless.into_iter().find_map(|(field, value)| value.map(|value| (field, value)));
        return given.map_or(Ok(None), |(field, value)| {
            Err(Error::invalid(field, value, format!("{field}={value:?} without service_ports= reaches nothing"), "give service_ports=[{\"port\": 80, \"target_port\": 8080}]"))
        });
    }
    let ports = ports.iter().map(|port| ServicePort {
        name: Some(format!("port-{}", port.port)),
        port: port.port.into(),
        target_port: Some(IntOrString::Int(port.target_port.into())),
        ..ServicePort::default()
    });
    Ok(Some(Service {
        metadata: ObjectMeta { name: Some(task.service_name.clone().unwrap_or_else(|| name::of_run(run))), labels: Some(labels), ..ObjectMeta::default() },
        spec: Some(ServiceSpec {
            ports: Some(ports.collect()),
            selector: Some(selector(run)),
            type_: Some(task.service_type.map_or("ClusterIP", asked::ServiceType::as_str).to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }))
}
