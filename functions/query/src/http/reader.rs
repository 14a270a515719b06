//! Who reads: a key with the scope `read`, and the project that it belongs to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use edge::{ApiError, Authenticated, require};
use http::request::Parts;
use meta::keys::Caller;
use model::{ProjectId, Scope};

use super::Served;
use crate::{Answer, App, Params, SqlRequest, run};

/// An extension of requests: the [`clock::Clock::uptime`] until which they must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerBy(pub Duration);

/// An extractor: the project that the caller may read, and how long it may take.
pub(super) struct Reader {
    app: Arc<App>,
    project: ProjectId,
    answer_by: Option<AnswerBy>,
}

impl FromRequestParts<Served> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<Self, ApiError> {
        let Authenticated(caller): Authenticated = Authenticated::from_request_parts(parts, served).await?;
        require(&caller, Scope::Read)?;
        let Caller { project, .. } = caller;
        let answer_by = parts.extensions.get().copied();
        Ok(Self { app: Arc::clone(&served.0), project, answer_by })
    }
}

impl Reader {
    pub(super) fn app(&self) -> &Arc<App> {
        &self.app
    }

    pub(super) fn project(&self) -> &ProjectId {
        &self.project
    }

    pub(super) fn answer_by(&self) -> Option<AnswerBy> {
        self.answer_by
    }

    /// SQL of ours, with what the caller gave as parameters.
    pub(super) async fn ask(&self, sql: String, params: Params, limit: usize) -> Result<Answer, ApiError> {
        let request = SqlRequest { sql, params, limit: Some(limit), timeout_ms: None, answer_by: self.answer_by };
        run(&self.app, &self.project, request).await.map_err(ApiError::from)
    }
}
