//! Kill tests with a ledger.
