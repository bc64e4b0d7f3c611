//! Settings of the Java converter that are accepted with their default only, or without effect: each by name (AV-015).

use rowtide_api::config::{Definition, Importance, Key, Reader};

/// Declares the keys, and the two lists of them.
macro_rules! fixed {
    ($($constant:ident: $kind:ty = $name:literal, $default:literal, $doc:literal, $support:ident($sentence:literal);)+) => {
        $(const $constant: Key<$kind> =
            Key::new($name, $doc).default($default).importance(Importance::Low).group("Schema choice").$support($sentence);)+

        pub(super) fn definitions() -> Vec<&'static Definition> {
            vec![$($constant.definition()),+]
        }

        /// Marks the keys as read; the definitions say what they may be.
        pub(super) fn read(reader: &mut Reader<'_>) {
            $(let _ = reader.text($constant.name());)+
        }
    };
}

fixed! {
    ID_SIZE: String = "id.size", "4", "Bytes of a schema id.",
        default_only("ids of 8 bytes are not built yet; let Apicurio's serdes write ids of 4 bytes (enable-confluent-id-handler)");
    NORMALIZE: bool = "normalize.schemas", "false", "Whether the registry normalises schemas.",
        default_only("normalising is not built yet");
    USE_ID: i32 = "use.schema.id", "-1", "Write under this id.",
        default_only("writing under a given id is not built yet; leave auto.register.schemas=true, or false to look up");
    USE_GUID: String = "use.schema.guid", "", "Write under this GUID.",
        default_only("GUIDs are not built yet");
    ID_STRICT: bool = "id.compatibility.strict", "true", "Whether the schema of use.schema.id must be compatible.",
        default_only("use.schema.id is not built yet");
    USE_LATEST: bool = "use.latest.version", "false", "Write under the subject's newest version.",
        default_only("writing under the newest version is not built yet; with auto.register.schemas=false the schema is looked up");
    LATEST_METADATA: String = "use.latest.with.metadata", "", "Write under the newest version with this metadata.",
        default_only("metadata is not built yet");
    LATEST_STRICT: bool = "latest.compatibility.strict", "true", "Whether the newest version must be compatible.",
        no_effect("use.latest.version is not built yet");
    TAGS: bool = "propagate.schema.tags", "false", "Whether tags travel with schemas.",
        default_only("tags are not built yet");
    FORMAT: String = "schema.format", "", "Form in which the registry answers schemas.",
        default_only("only the registry's own form is read");
    CONTEXT: String = "context.name.strategy", "io.confluent.kafka.serializers.context.NullContextNameStrategy",
        "How a topic's context is named.", default_only("contexts are not built yet; put the context into schema.registry.url");
    LATEST_SIZE: i32 = "latest.cache.size", "1000", "Newest versions remembered.",
        no_effect("newest versions are not used");
    LATEST_TTL: i32 = "latest.cache.ttl.sec", "-1", "How long newest versions are remembered.",
        no_effect("newest versions are not used");
    CACHE: i32 = "schemas.cache.config", "1000", "Schemas remembered.",
        no_effect("each schema is compiled once and kept");
    ENHANCED: bool = "enhanced.avro.schema.support", "false", "Whether enums come back as enums.",
        default_only("enums are written as text with their symbols in connect.parameters");
    SUM_TYPES: bool = "generalized.sum.type.support", "false", "Whether unions and enums share a form with other formats.",
        default_only("the general form is not built yet");
    FLATTEN: bool = "flatten.singleton.unions", "true", "Whether a union of one is its member.",
        default_only("a union of one is always its member");
    DISCARD_DOC: bool = "discard.type.doc.default", "false", "Whether docs and defaults of types are dropped.",
        default_only("it is deprecated and not built");
    REFLECTION: bool = "schema.reflection", "false", "Whether Java classes describe schemas.",
        no_effect("there are no Java classes here");
    BACKUP: bool = "schema.backup.enabled", "false", "Whether schemas are backed up.",
        default_only("it is not built yet");
    RULE_EXECUTORS: String = "rule.executors", "", "Executors of data rules.",
        default_only("data rules are not built yet");
    RULE_ACTIONS: String = "rule.actions", "", "Actions of data rules.",
        default_only("data rules are not built yet");
    RULE_LOADER: bool = "rule.service.loader.enable", "true", "Whether rule classes are looked for.",
        no_effect("there are no Java classes here");
    SSL_TRUSTSTORE: String = "schema.registry.ssl.truststore.location", "", "Certificates to trust.",
        default_only("a store of its own is not built yet; the built-in authorities are trusted");
    SSL_KEYSTORE: String = "schema.registry.ssl.keystore.location", "", "The client's certificate.",
        default_only("client certificates are not built yet; use basic or bearer credentials");
    SSL_KEY: String = "schema.registry.ssl.keystore.key", "", "The client's key in PEM.",
        default_only("client certificates are not built yet; use basic or bearer credentials");
    SSL_CERTIFICATES: String = "schema.registry.ssl.truststore.certificates", "", "Certificates to trust, in PEM.",
        default_only("a store of its own is not built yet; the built-in authorities are trusted");
}
