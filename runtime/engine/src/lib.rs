//! The engine: ledger, progress, workers, herder, schedules, over its own ports.
