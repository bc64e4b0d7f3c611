//! The signals that end the worker.

use rowtide_api::{Error, ResultExt};
use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT; the second ends the process at once.
pub(crate) async fn asked() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).fatal("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).fatal("listening for SIGINT")?;
    tokio::select! {
        biased;
        // 1. What supervisors send.
        _ = terminate.recv() => {}
        // 2. What a terminal sends.
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping; a second signal ends at once");
    tokio::spawn(async move {
        tokio::select! {
            biased;
            // 1. As above.
            _ = terminate.recv() => {}
            // 2. As above.
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(())
}
