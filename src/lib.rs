//! Runwright.
