//! One file for each kind of object that is built. All is pure.

pub mod config_map;
pub mod job;
pub mod pod;
pub mod secret;
