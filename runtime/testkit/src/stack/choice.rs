//! Which form a stack of one's own takes: plain processes or containers.
//!
//! `ROWTIDE_TEST_STACK=processes|containers` decides. Without it, processes where their prerequisites are on the machine (CI
//! and most machines); else containers, where this build has them and an engine answers; else processes again, whose message
//! names what is missing and the command that installs it.

use super::processes;

/// The variable that decides.
pub const VARIABLE: &str = "ROWTIDE_TEST_STACK";

/// A form of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `compose/stack`.
    Processes,
    /// Containers of the images that `compose/compose.yaml` pins.
    Containers,
}

/// What is known of the machine and this build; asked only where it matters, for each question starts a program.
pub struct Machine<'a> {
    /// Whether this build has the feature `containers`.
    pub built: bool,
    /// Whether the processes' prerequisites are there.
    pub has_prerequisites: &'a dyn Fn() -> bool,
    /// Whether a container engine answers, and what it said if it does not.
    pub engine: &'a dyn Fn() -> Result<(), String>,
}

impl std::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("built", &self.built)
            .finish_non_exhaustive()
    }
}

/// The form to use where the variable has this value.
///
/// # Errors
/// For an unknown value, and where containers are asked for and cannot be had.
pub fn choose(wanted: Option<&str>, machine: &Machine<'_>) -> Result<Form, String> {
    match wanted {
        Some("processes") => Ok(Form::Processes),
        Some("containers") if !machine.built => Err(format!(
            "{VARIABLE}=containers, but this test is built without them; add --features rowtide-testkit/containers"
        )),
        Some("containers") => (machine.engine)()
            .map(|()| Form::Containers)
            .map_err(|error| format!("{VARIABLE}=containers, but no container engine can be used: {error}")),
        Some(other) => Err(format!("{VARIABLE} is processes or containers, not `{other}`")),
        None if !machine.built || (machine.has_prerequisites)() => Ok(Form::Processes),
        None => Ok((machine.engine)().map_or(Form::Processes, |()| Form::Containers)),
    }
}

/// The form for these services here and now.
///
/// # Panics
/// With the error of [`choose`].
pub(super) fn form(services: &[&str]) -> Form {
    let wanted = std::env::var(VARIABLE).ok();
    let machine = Machine {
        built: cfg!(feature = "containers"),
        has_prerequisites: &|| processes::needs(services).is_ok(),
        engine: &engine,
    };
    choose(wanted.as_deref(), &machine).unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(feature = "containers")]
fn engine() -> Result<(), String> {
    super::containers::engine()
}

#[cfg(not(feature = "containers"))]
fn engine() -> Result<(), String> {
    Err("this test is built without containers".to_owned())
}
