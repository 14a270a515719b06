//! Who may manage what: the admin scope, within the reach of the key.

use edge::{ApiError, ErrorCode, require};
use meta::keys::{Caller, Reach};
use model::{ProjectId, Scope};

/// Any admin key.
pub(crate) fn require_admin(caller: &Caller) -> Result<(), ApiError> {
    Ok(require(caller, Scope::Admin)?)
}

/// An admin key that reaches all projects.
pub(crate) fn require_installation(caller: &Caller) -> Result<(), ApiError> {
    within_installation(caller, "")
}

/// The same, for what a project's own admin cannot do even there: `what`, say "set `x`".
pub(crate) fn require_operator(caller: &Caller, what: &str) -> Result<(), ApiError> {
    within_installation(caller, &format!(" and cannot {what}"))
}

fn within_installation(caller: &Caller, so: &str) -> Result<(), ApiError> {
    require_admin(caller)?;
    match caller.reach {
        Reach::Installation => Ok(()),
        Reach::Project => Err(ApiError::new(
            ErrorCode::Forbidden,
            format!("this admin key reaches only its project `{}`{so}", caller.project),
        )
        .hint("use an admin key whose reach is `installation`, as the first start made one")),
    }
}

/// An admin key that reaches this project. Decided before anybody looks whether the project is there.
pub(crate) fn require_project(caller: &Caller, project: &ProjectId) -> Result<(), ApiError> {
    require_admin(caller)?;
    if caller.project == *project { Ok(()) } else { require_installation(caller) }
}
