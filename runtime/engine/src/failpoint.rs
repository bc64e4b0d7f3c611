//! Named points at which a test build kills its own process. Without the feature `failpoints` every call is nothing.

/// Dies here when a test armed this point; the process gets no chance to clean up.
#[cfg(feature = "failpoints")]
pub fn hit(point: &str) {
    use std::sync::PoisonError;
    let mut armed = armed().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((name, left)) = armed.as_mut()
        && name == point
    {
        if *left == 0 {
            std::process::abort();
        }
        *left -= 1;
    }
}

/// Dies here when a test armed this point; this build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_point: &str) {}

/// Arms a point: the process dies when it is reached for the time after `passes` others.
#[cfg(feature = "failpoints")]
pub fn arm(point: &str, passes: u64) {
    use std::sync::PoisonError;
    *armed().lock().unwrap_or_else(PoisonError::into_inner) = Some((point.to_owned(), passes));
}

#[cfg(feature = "failpoints")]
fn armed() -> &'static std::sync::Mutex<Option<(String, u64)>> {
    static ARMED: std::sync::Mutex<Option<(String, u64)>> = std::sync::Mutex::new(None);
    &ARMED
}
