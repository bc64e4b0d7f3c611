//! The herder: what survives, who waits for whom, and the runs of a schedule. Time is paused: waiting costs none.

mod parts;
mod plugins;
mod scheduled;
mod tasks;
