//! Runwright's core: tracked runs, on this machine or on any Kubernetes namespace.
//!
//! The way of a run, each step one place:
//!
//! | step | does | where |
//! |---|---|---|
//! | 1 define | source, requirements, signature → canonical spec → digest → version | [`engine::define`] |
//! | 2 record | check parameters and inputs; write the run as CREATED before anything else happens | [`engine::record`] |
//! | 3 translate | (version, action, run spec) → Plan, pure | [`runtime`] |
//! | 4 lower | Plan → what the place to run takes, pure | [`backend::Backend::lower`] |
//! | 5 execute | hand it over | [`backend::Backend::execute`] |
//! | 6 observe | fold what is reported into the record | [`engine::observe`], [`model::event`] |
//! | 7 finish | take in outputs and logs, write the end | [`engine::finish`] |
//!
//! [`engine::submit`] shows all of it on one screen.
#![forbid(unsafe_code)]

pub mod backend;
pub mod cli;
pub mod engine;
pub mod error;
pub mod model;
pub mod runtime;
mod secrets;
pub mod store;

#[cfg(feature = "python")]
mod py;

/// Gives rustls its cryptography once a process. Explicitly: with two providers in one build it would panic at the first connection instead of choosing.
pub fn install_tls() {
    // Somebody else in this process has installed one: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
