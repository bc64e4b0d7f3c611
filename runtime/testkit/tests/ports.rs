//! The contract of the engine's ports, on the fakes.

mod kafka {
    use rowtide_testkit::fakes::kafka::MemoryKafka;

    rowtide_testkit::kafka_contract!([#[tokio::test(start_paused = true)]], MemoryKafka::new());
}

mod log {
    use std::sync::Arc;

    use rowtide_engine::ports::Log;
    use rowtide_testkit::fakes::MemoryLog;

    /// Opens the same log each time.
    fn opens() -> impl Fn() -> std::future::Ready<Arc<dyn Log>> {
        let log = MemoryLog::new();
        move || std::future::ready(Arc::new(log.clone()))
    }

    rowtide_testkit::log_contract!([#[tokio::test]], opens());
}
