//! Run a program contained, logged, with a clean environment
