//! Named points at which a crash test ends the process. Without the feature `failpoints`, which no release has, every call is
//! nothing.
//!
//! They stand on both sides of every durable step. The list of all, and the test that dies at each, are in `tests/crash`.

/// Ends the process when a test armed this point.
#[cfg(feature = "failpoints")]
pub fn hit(point: &str) {
    use std::sync::PoisonError;
    let mut armed = armed().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Armed { name, left, die }) = armed.as_mut()
        && name == point
    {
        if *left == 0 {
            die();
        }
        *left -= 1;
    }
}

/// Ends the process when a test armed this point; this build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_point: &str) {}

/// Arms a point: when it is reached for the time after `passes` others, `die` is called, which must not clean up.
#[cfg(feature = "failpoints")]
pub fn arm(point: &str, passes: u64, die: fn() -> !) {
    use std::sync::PoisonError;
    *armed().lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed {
        name: point.to_owned(),
        left: passes,
        die,
    });
}

#[cfg(feature = "failpoints")]
struct Armed {
    name: String,
    left: u64,
    die: fn() -> !,
}

#[cfg(feature = "failpoints")]
fn armed() -> &'static std::sync::Mutex<Option<Armed>> {
    static ARMED: std::sync::Mutex<Option<Armed>> = std::sync::Mutex::new(None);
    &ARMED
}
