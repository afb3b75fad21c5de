//! The configuration repository: SQLite, snapshots, transactions
