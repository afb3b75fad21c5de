//! A package repository over HTTP: what pkg.depotd is made of.
//!
//! In reading order: `options` and `properties` (what it is told), `daemon` (going to the
//! background), `view` and `opening` (the repository and its files), `service`, `operations` and
//! `packages` (request → answer), `search` (queries), `pages` (what a browser shows), `content` (what a
//! site adds to them), `kept` (what
//! is made once), `publish` and `admin` (what changes the repository), `literal` (lists of Python),
//! `http` (bytes of both), `connection` (one client), `transport` and `tls` (its bytes), `hot`
//! (answers kept for a moment), `jobs` (answers that take long),
//! `worker`, `server` and `poller` (sockets), `log`.
//!
//! Invariants: a worker's event loop never waits for anything but its sockets; every path made of
//! what a client says is made of checked parts.

pub mod admin;
pub mod connection;
pub mod content;
pub mod daemon;
pub mod hot;
pub mod http;
pub mod jobs;
pub mod kept;
pub mod literal;
pub mod log;
pub mod opening;
pub mod operations;
pub mod options;
pub mod packages;
pub mod pages;
pub mod poller;
pub mod properties;
pub mod publish;
pub mod search;
pub mod server;
pub mod service;
pub mod tls;
pub mod transport;
pub mod view;
pub mod worker;
