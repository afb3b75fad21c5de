//! End-to-end and conformance tests of Lamplighter; see tests/.
