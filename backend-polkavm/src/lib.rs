//! The PolkaVM backend.
