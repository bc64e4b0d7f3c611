//! Sans-I/O: what a schema's name says about its physical values.

use super::Schema;

/// The meaning of a primitive by its schema's name: Connect's four types and Debezium's.
///
/// Names: `org.apache.kafka.connect.data.*`, `io.debezium.time.*`, `io.debezium.data.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// BYTES: big-endian two's-complement unscaled value; the scale is the parameter `scale`.
    Decimal {
        /// Digits behind the point; negative for multiples of powers of ten.
        scale: i32,
    },
    /// INT32: days since 1970-01-01.
    Date,
    /// INT32: milliseconds of the day.
    TimeMillis,
    /// INT64: microseconds of the day.
    TimeMicros,
    /// INT64: nanoseconds of the day.
    TimeNanos,
    /// INT64: milliseconds since the epoch.
    TimestampMillis,
    /// INT64: microseconds since the epoch.
    TimestampMicros,
    /// INT64: nanoseconds since the epoch.
    TimestampNanos,
    /// STRING: an ISO-8601 instant with its zone.
    ZonedTimestamp,
    /// STRING: an ISO-8601 time with its zone.
    ZonedTime,
    /// INT64: microseconds.
    DurationMicros,
    /// STRING: 36 characters.
    Uuid,
    /// STRING: JSON text.
    Json,
    /// STRUCT of `scale` and `value`: a decimal that carries its scale.
    VariableScaleDecimal,
}

/// Connect's Decimal.
pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

impl Schema {
    /// The meaning of this schema's values; `None` for a plain type and for names this list lacks.
    pub fn logical(&self) -> Option<Logical> {
        let name = self.name.as_deref()?;
        Some(match name {
            DECIMAL => Logical::Decimal {
                scale: self.parameter("scale")?.parse().ok()?,
            },
            "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date" => Logical::Date,
            "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time" => Logical::TimeMillis,
            "io.debezium.time.MicroTime" => Logical::TimeMicros,
            "io.debezium.time.NanoTime" => Logical::TimeNanos,
            "org.apache.kafka.connect.data.Timestamp" | "io.debezium.time.Timestamp" => {
                Logical::TimestampMillis
            }
            "io.debezium.time.MicroTimestamp" => Logical::TimestampMicros,
            "io.debezium.time.NanoTimestamp" => Logical::TimestampNanos,
            "io.debezium.time.ZonedTimestamp" => Logical::ZonedTimestamp,
            "io.debezium.time.ZonedTime" => Logical::ZonedTime,
            "io.debezium.time.MicroDuration" => Logical::DurationMicros,
            "io.debezium.data.Uuid" => Logical::Uuid,
            "io.debezium.data.Json" => Logical::Json,
            "io.debezium.data.VariableScaleDecimal" => Logical::VariableScaleDecimal,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;

    /// CN-320.
    #[test]
    fn a_decimal_needs_its_scale() {
        let schema = |builder: crate::data::SchemaBuilder| builder.name(DECIMAL).version(1).build();
        let with = schema(Schema::of(Kind::Bytes).parameter("scale", "2"));
        assert_eq!(with.logical(), Some(Logical::Decimal { scale: 2 }));
        assert_eq!(schema(Schema::of(Kind::Bytes)).logical(), None);
    }
}
