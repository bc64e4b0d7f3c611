//! What a worker tells about itself besides its end.

/// Hears of topics in use.
pub trait Observer: Send + Sync {
    /// A topic was written to or read from; repeated calls for one topic are cheap.
    fn topic(&self, topic: &str);
}

/// For tests and tools: nobody listens.
impl Observer for () {
    fn topic(&self, _topic: &str) {}
}
