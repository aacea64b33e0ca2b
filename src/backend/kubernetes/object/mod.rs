//! One file for each kind of object that is built, and for the parts of a pod. All is pure.

pub mod buildkit;
pub mod config_map;
pub mod container;
pub mod deployment;
pub mod horizontal_pod_autoscaler;
pub mod job;
mod merge;
pub mod pod;
pub mod secret;
mod security;
pub mod service;
mod volume;
