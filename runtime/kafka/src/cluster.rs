//! Opens the clients of one cluster.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rowtide_api::erased::BoxFuture;
use rowtide_api::{Error, Properties};
use rowtide_engine::ports::{ClientSettings, Consumer, ConsumerSettings, Kafka, Producer};

use crate::errors::error;
use crate::settings::{Translation, translate};
use crate::{consumer, producer};

/// How long asking for the cluster's id may take: it answers `GET /`.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(5);

/// One Kafka cluster.
pub struct Cluster {
    /// The worker's own client keys, `bootstrap.servers` first of all.
    properties: Properties,
}

impl Cluster {
    /// A cluster reached with these keys, in Java's names.
    pub fn new(properties: Properties) -> Self {
        Self { properties }
    }

    /// Defaults, then the worker's address, then the client's settings; each may win over the ones before.
    fn config(&self, defaults: &[(&str, &str)], settings: &ClientSettings) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::new();
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        config.set("client.id", &settings.client_id);
        for (key, value) in self.properties.iter().chain(settings.properties.iter()) {
            match translate(key, value) {
                Translation::Set(pairs) => pairs.into_iter().for_each(|(key, value)| {
                    config.set(key, value);
                }),
                Translation::NoEffect(why) => tracing::debug!(key, why, "client setting without effect"),
                Translation::Unknown => {
                    tracing::warn!(key, client = settings.client_id, "unknown client setting")
                }
                Translation::Refused(why) => {
                    return Err(Error::fatal(format!("client {}: {why}", settings.client_id))
                        .java_class("org.apache.kafka.common.config.ConfigException"));
                }
            }
        }
        Ok(config)
    }
}

impl Kafka for Cluster {
    fn producer(&self, settings: &ClientSettings) -> Result<Arc<dyn Producer>, Error> {
        let config = self.config(&producer::DEFAULTS, settings)?;
        Ok(Arc::new(producer::open(&config, &settings.client_id)?))
    }

    fn consumer(&self, settings: &ConsumerSettings) -> Result<Box<dyn Consumer>, Error> {
        let mut config = self.config(&consumer::DEFAULTS, &settings.client)?;
        config.set("group.id", &settings.group_id);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        Ok(Box::new(consumer::open(config, settings)?))
    }

    fn cluster_id(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async move {
            let settings = ClientSettings {
                client_id: "rowtide".into(),
                properties: Properties::new(),
            };
            let config = self.config(&[], &settings)?;
            let asked = tokio::task::spawn_blocking(move || {
                let client: BaseConsumer = config
                    .create()
                    .map_err(|cause| error("opening a Kafka client", cause))?;
                // Metadata first: the id is known once a broker answered.
                client
                    .fetch_metadata(None, CLUSTER_ID_WAIT)
                    .map_err(|cause| error("asking the brokers for metadata", cause))?;
                client
                    .client()
                    .fetch_cluster_id(CLUSTER_ID_WAIT)
                    .ok_or_else(|| Error::retriable("the brokers told no cluster id"))
            });
            asked
                .await
                .unwrap_or_else(|_| Err(Error::retriable("asking for the cluster id was interrupted")))
        })
    }
}
