//! Process contracts off illumos: cgroup, or subreaper and cookie
