//! `GET /`.

use axum::Json;
use axum::extract::State;

use crate::entities::ServerInfo;
use crate::errors::ApiError;
use crate::routes::Shared;

/// The Kafka release whose contract is served: clients gate features on it.
pub(crate) const KAFKA_VERSION: &str = "4.1.0";

pub(crate) async fn info(State(server): State<Shared>) -> Result<Json<ServerInfo>, ApiError> {
    // A worker answers also while its brokers are away; the id is then unknown.
    let kafka_cluster_id = server.herder.cluster_id().await.unwrap_or_default();
    Ok(Json(ServerInfo {
        version: KAFKA_VERSION,
        commit: "unknown",
        kafka_cluster_id,
    }))
}
