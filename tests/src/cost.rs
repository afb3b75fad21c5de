//! cost.rs - what the processor has done for somebody; for benches, where the clock tells of the others too.

/// Seconds of the processor: of this process (`RUSAGE_SELF`), or of its children that it has waited
/// for (`RUSAGE_CHILDREN`).
pub fn cpu(whose: libc::c_int) -> f64 {
    // SAFETY: rusage is plain data, and the call fills it.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(whose, &mut used), 0);
        used
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}
