//! What every stage shares: properties, stamp, outputs, locks, progress, being wanted, exit status
