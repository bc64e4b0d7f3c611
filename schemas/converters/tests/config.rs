//! The promises of a configuration, kept by each converter that has one.

use rowtide_converters::{
    AvroConverter, ByteArrayConverter, JsonConverter, SimpleHeaderConverter, StringConverter,
};

rowtide_testkit::conformance::config!(
    avro: AvroConverter,
    [("schema.registry.url", "http://registry:8081")],
    "golden/avro_converter.json"
);

rowtide_testkit::conformance::config!(json: JsonConverter, [], "golden/json_converter.json");

rowtide_testkit::conformance::config!(string: StringConverter, [], "golden/string_converter.json");

rowtide_testkit::conformance::config!(
    simple_header: SimpleHeaderConverter,
    [],
    "golden/simple_header_converter.json"
);

rowtide_testkit::conformance::config!(
    byte_array: ByteArrayConverter,
    [],
    "golden/byte_array_converter.json"
);
