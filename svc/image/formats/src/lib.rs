//! UFS, gzip, boot archive hash, ISO 9660 arguments
