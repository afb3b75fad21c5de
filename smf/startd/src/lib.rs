//! svc.startd, the restarter
