//! Sans-I/O: which types are supported, and the schema and fallbacks of each (PG-087 to PG-132).

use std::sync::{Arc, LazyLock};

use rowtide_api::{Blob, Kind, Schema, Text, Value};

use super::{Op, variable_decimal_of};

/// A column's type as the server describes it, domains already resolved to what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRef {
    /// The type's oid.
    pub oid: u32,
    /// Its name; for types without a fixed oid (citext) it decides.
    pub name: Arc<str>,
    /// The type modifier; -1: none.
    pub modifier: i32,
}

impl TypeRef {
    /// A type of the catalogue's fixed part.
    pub fn builtin(oid: u32, modifier: i32) -> Self {
        Self {
            oid,
            name: "".into(),
            modifier,
        }
    }
}

/// Kinds of default expressions, see [`super::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultKind {
    /// Defaults of this type stay out of the schema.
    None,
    /// Text, kept as it is between the quotes.
    Text,
    /// JSON text.
    Json,
    /// Anything whose unquoted form is trimmed.
    Trimmed,
}

/// What a column of one type becomes.
#[derive(Debug, Clone)]
pub struct ColumnType {
    /// How its text is decoded.
    pub op: Op,
    /// Its schema, required and without default.
    pub schema: Arc<Schema>,
    /// Whether and how its default enters the schema.
    pub default: DefaultKind,
    /// What stands for a default that is a function call, as Postgres would print it (PG-139).
    pub function_default: &'static str,
}

/// 1 more for the sign is never needed: a modifier of a time type is its precision, absent it is 6 (PG-122).
fn precision(modifier: i32) -> u8 {
    u8::try_from(modifier).map_or(6, |digits| digits.min(6))
}

fn named(kind: Kind, name: &str) -> Arc<Schema> {
    Schema::of(kind).name(name).version(1).build()
}

/// The schema of a numeric without scale (PG-117).
pub fn variable_scale_decimal() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Schema::structure([
            ("scale", Schema::of(Kind::Int32).build()),
            ("value", Schema::of(Kind::Bytes).build()),
        ])
        .name("io.debezium.data.VariableScaleDecimal")
        .version(1)
        .doc("Variable scaled decimal")
        .build()
    });
    SCHEMA.clone()
}

/// The mapping of a type; `None`: it is not supported, and its column has to be excluded.
pub fn column_type(of: &TypeRef) -> Option<ColumnType> {
    use DefaultKind::{Json, None as NoDefault, Text as TextDefault, Trimmed};
    let plain = |op, kind, default, function_default| ColumnType {
        op,
        schema: Schema::of(kind).build(),
        default,
        function_default,
    };
    let text = |default| plain(Op::Text, Kind::Text, default, "");
    let semantic = |op, kind, name, default, function_default| ColumnType {
        op,
        schema: named(kind, name),
        default,
        function_default,
    };
    let array = |op, kind| {
        let element = Schema::of(kind).optional().build();
        plain(Op::Array(Box::new(op)), Kind::Array(element), NoDefault, "")
    };
    let digits = precision(of.modifier);
    Some(match of.oid {
        16 => plain(Op::Bool, Kind::Bool, Trimmed, "false"),
        17 => plain(Op::Bytes, Kind::Bytes, NoDefault, ""),
        18 | 19 => text(NoDefault),
        20 => plain(Op::Int64, Kind::Int64, Trimmed, "0"),
        21 => plain(Op::Int16, Kind::Int16, Trimmed, "0"),
        23 => plain(Op::Int32, Kind::Int32, Trimmed, "0"),
        25 | 1042 | 1043 => text(TextDefault),
        114 | 3802 => semantic(Op::Text, Kind::Text, "io.debezium.data.Json", Json, "{}"),
        700 => plain(Op::Float32, Kind::Float32, Trimmed, "0"),
        701 => plain(Op::Float64, Kind::Float64, Trimmed, "0"),
        1082 => semantic(
            Op::Date,
            Kind::Int32,
            "io.debezium.time.Date",
            Trimmed,
            "1970-01-01",
        ),
        1083 if digits <= 3 => semantic(
            Op::TimeMillis,
            Kind::Int32,
            "io.debezium.time.Time",
            Trimmed,
            "00:00:00",
        ),
        1083 => semantic(
            Op::TimeMicros,
            Kind::Int64,
            "io.debezium.time.MicroTime",
            Trimmed,
            "00:00:00",
        ),
        1114 if digits <= 3 => {
            let name = "io.debezium.time.Timestamp";
            semantic(
                Op::TimestampMillis,
                Kind::Int64,
                name,
                Trimmed,
                "1970-01-01 00:00:00",
            )
        }
        1114 => {
            let name = "io.debezium.time.MicroTimestamp";
            semantic(
                Op::TimestampMicros,
                Kind::Int64,
                name,
                Trimmed,
                "1970-01-01 00:00:00",
            )
        }
        1184 => {
            let name = "io.debezium.time.ZonedTimestamp";
            semantic(
                Op::ZonedTimestamp { digits },
                Kind::Text,
                name,
                Trimmed,
                "1970-01-01 00:00:00+00",
            )
        }
        1700 => numeric(of.modifier),
        2950 => {
            let name = "io.debezium.data.Uuid";
            semantic(
                Op::Text,
                Kind::Text,
                name,
                Trimmed,
                "00000000-0000-0000-0000-000000000000",
            )
        }
        1000 => array(Op::Bool, Kind::Bool),
        1005 => array(Op::Int16, Kind::Int16),
        1007 => array(Op::Int32, Kind::Int32),
        1016 => array(Op::Int64, Kind::Int64),
        1021 => array(Op::Float32, Kind::Float32),
        1022 => array(Op::Float64, Kind::Float64),
        1009 | 1015 => array(Op::Text, Kind::Text),
        2951 => ColumnType {
            op: Op::Array(Box::new(Op::Text)),
            schema: Schema::of(Kind::Array(
                Schema::of(Kind::Text)
                    .name("io.debezium.data.Uuid")
                    .version(1)
                    .optional()
                    .build(),
            ))
            .build(),
            default: NoDefault,
            function_default: "",
        },
        _ if &*of.name == "citext" => text(NoDefault),
        _ => return None,
    })
}

fn numeric(modifier: i32) -> ColumnType {
    let (op, schema) = if modifier < 4 {
        (
            Op::VariableDecimal(variable_scale_decimal()),
            variable_scale_decimal(),
        )
    } else {
        let (precision, scale) = precision_and_scale(modifier);
        let schema = Schema::of(Kind::Bytes)
            .name("org.apache.kafka.connect.data.Decimal")
            .version(1)
            .parameter("scale", scale.to_string())
            .parameter("connect.decimal.precision", precision.to_string())
            .build();
        (Op::Decimal { scale }, schema)
    };
    ColumnType {
        op,
        schema,
        default: DefaultKind::Trimmed,
        function_default: "0",
    }
}

/// The scale is 11 bits wide and signed (negative from PG 15 on, PG-119).
fn precision_and_scale(modifier: i32) -> (i32, i32) {
    let packed = modifier - 4;
    ((packed >> 16) & 0xffff, (((packed & 0x7ff) ^ 1024) - 1024))
}

/// PG-143: what a required field without a value holds, when its schema has no default.
pub fn fallback(of: &ColumnType) -> Value {
    match (&of.op, of.schema.name.as_deref()) {
        (Op::Bool, _) => Value::Bool(false),
        (Op::Int16, _) => Value::Int16(0),
        (Op::Int32 | Op::Date | Op::TimeMillis, _) => Value::Int32(0),
        (Op::Int64 | Op::TimeMicros | Op::TimestampMillis | Op::TimestampMicros, _) => Value::Int64(0),
        (Op::Float32, _) => Value::Float32(0.0),
        (Op::Float64, _) => Value::Float64(0.0),
        (Op::Text, Some("io.debezium.data.Json")) => Value::from("{}"),
        (Op::Text, _) => Value::Text(Text::EMPTY),
        (Op::ZonedTimestamp { .. }, _) => Value::from("1970-01-01T00:00:00Z"),
        (Op::Bytes, _) => Value::Bytes(Blob::EMPTY),
        (Op::Decimal { .. }, _) => Value::Bytes(Blob::copy(&[0])),
        (Op::VariableDecimal(schema), _) => variable_decimal_of(schema, 0, Blob::copy(&[0])),
        (Op::Array(_), _) => Value::Array(Box::default()),
    }
}

/// PG-076: what stands for an unchanged TOAST value; `None`: nothing fits the schema.
pub fn placeholder(of: &ColumnType, bytes: &[u8]) -> Option<Value> {
    let text = || Text::checked(Blob::copy(bytes)).ok().map(Value::Text);
    let list = |items: Vec<Value>| Some(Value::Array(items.into_boxed_slice()));
    match &of.op {
        Op::Text => text(),
        Op::Bytes => Some(Value::Bytes(Blob::copy(bytes))),
        Op::Array(element) => match **element {
            Op::Text if is_uuid_array(of) => {
                let uuid = rowtide_java::uuid::to_text(&rowtide_java::uuid::from_name(bytes));
                let uuid = Text::checked(Blob::copy(&uuid)).ok()?;
                list(vec![Value::Text(uuid)])
            }
            Op::Text => list(vec![text()?]),
            Op::Int32 => list(
                bytes
                    .iter()
                    .map(|byte| Value::Int32(i32::from(byte.cast_signed())))
                    .collect(),
            ),
            Op::Int64 => list(
                bytes
                    .iter()
                    .map(|byte| Value::Int64(i64::from(byte.cast_signed())))
                    .collect(),
            ),
            _ => None,
        },
        _ => None,
    }
}

fn is_uuid_array(of: &ColumnType) -> bool {
    match &of.schema.kind {
        Kind::Array(element) => element.name.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPORTED: [u32; 31] = [
        16, 17, 18, 19, 20, 21, 23, 25, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1700, 2950, 3802,
        1000, 1005, 1007, 1016, 1021, 1022, 1009, 1015, 2951, 1043, 25,
    ];

    /// PG-117, PG-119: numeric(p) has scale 0, and a negative scale passes as it is.
    #[test]
    fn a_numeric_modifier_is_precision_and_scale() {
        assert_eq!(precision_and_scale((12 << 16 | 2) + 4), (12, 2));
        assert_eq!(precision_and_scale((5 << 16) + 4), (5, 0));
        assert_eq!(precision_and_scale((3 << 16 | (-2 & 0x7ff)) + 4), (3, -2));
    }

    /// PG-121.
    #[test]
    fn the_precision_of_a_time_decides_its_unit() {
        let name = |oid, modifier| {
            column_type(&TypeRef::builtin(oid, modifier))
                .unwrap()
                .schema
                .name
                .clone()
        };
        assert_eq!(name(1083, 3).as_deref(), Some("io.debezium.time.Time"));
        assert_eq!(name(1083, -1).as_deref(), Some("io.debezium.time.MicroTime"));
        assert_eq!(name(1114, 0).as_deref(), Some("io.debezium.time.Timestamp"));
        assert_eq!(name(1114, 6).as_deref(), Some("io.debezium.time.MicroTimestamp"));
    }

    /// PG-143: a fallback has the physical type of its schema.
    #[test]
    fn fallbacks_fit_their_schemas() {
        for oid in SUPPORTED {
            let of = column_type(&TypeRef::builtin(oid, -1)).unwrap();
            let kind = match fallback(&of) {
                Value::Float32(_) => "float",
                Value::Float64(_) => "double",
                value => value.type_name(),
            };
            assert_eq!(kind, of.schema.kind.name(), "{oid}");
        }
    }

    /// PG-076.
    #[test]
    fn placeholders_follow_the_table() {
        let of = |oid| placeholder(&column_type(&TypeRef::builtin(oid, -1)).unwrap(), b"__ph");
        assert_eq!(of(25), Some(Value::from("__ph")));
        assert_eq!(of(17), Some(Value::Bytes(Blob::copy(b"__ph"))));
        assert_eq!(of(1009), Some(Value::Array([Value::from("__ph")].into())));
        assert_eq!(
            of(1007),
            Some(Value::Array([95, 95, 112, 104].map(Value::Int32).into()))
        );
        let Some(Value::Array(uuids)) = of(2951) else {
            panic!("a list")
        };
        assert_eq!(
            uuids[0].as_str().map(|text| (text.len(), text.as_bytes()[14])),
            Some((36, b'3'))
        );
        for oid in [1700, 1005, 1021, 1000] {
            assert_eq!(of(oid), None, "{oid}");
        }
    }

    #[test]
    fn other_types_are_not_supported() {
        for oid in [600, 790, 869, 1186, 1560, 3614, 3904, 16_400] {
            assert!(column_type(&TypeRef::builtin(oid, -1)).is_none(), "{oid}");
        }
        let citext = TypeRef {
            oid: 16_400,
            name: "citext".into(),
            modifier: -1,
        };
        assert!(column_type(&citext).is_some());
    }
}
