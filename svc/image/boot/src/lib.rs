//! Boot a medium under QEMU and read its serial console
