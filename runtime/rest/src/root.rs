//! `GET /`.

use axum::Json;
use axum::extract::State;

use crate::entities::ServerInfo;
use crate::routes::Shared;

/// The Kafka release whose contract is served: clients gate features on it.
pub(crate) const KAFKA_VERSION: &str = "4.1.0";

/// A worker answers also while its brokers are away; the id is then empty.
pub(crate) async fn info(State(server): State<Shared>) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: KAFKA_VERSION,
        commit: "unknown",
        kafka_cluster_id: server.herder.cluster_id().await.unwrap_or_default(),
    })
}
