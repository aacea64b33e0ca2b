//! The nouns: plain data, serde only. No verb, no client, no clock beyond [`time`].

pub mod build;
pub mod entity;
pub mod event;
pub mod fields;
pub mod function;
pub mod image;
pub mod key;
pub mod name;
pub mod plan;
pub mod project;
pub mod resources;
pub mod run;
pub mod signature;
pub mod state;
pub mod task;
pub mod time;
pub mod timeline;
pub mod workload;
