//! Sans-I/O: the tables whose changes are followed: the same kinds of columns under each replica identity.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A small number.
    Number,
    /// Text of any size.
    Text,
    /// Bytes of any size.
    Bytes,
    /// JSON with text of any size in it.
    Document,
    /// A number of any length.
    Amount,
}

/// A column that changes may touch. All but `needed` are nullable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Null is refused; there is a large default instead.
    pub needed: bool,
    /// Where Postgres keeps large values of it.
    storage: Option<&'static str>,
}

const fn column(name: &'static str, kind: Kind, storage: Option<&'static str>) -> Column {
    Column {
        name,
        kind,
        needed: false,
        storage,
    }
}

/// Extended, main and external: compressed and out of line, in line as long as it fits, out of line as it is.
const NULLABLE: [Column; 7] = [
    column("small", Kind::Number, None),
    column("note", Kind::Text, None),
    column("plain", Kind::Text, Some("main")),
    column("outside", Kind::Text, Some("external")),
    column("bytes", Kind::Bytes, None),
    column("document", Kind::Document, None),
    column("amount", Kind::Amount, None),
];

const NEEDED: [Column; 1] = [Column {
    name: "needed",
    kind: Kind::Text,
    needed: true,
    storage: Some("external"),
}];

/// Beyond what stays in a row.
const DEFAULT_BYTES: usize = 2600;

/// A table whose changes are followed.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    /// Its name in both databases.
    pub name: &'static str,
    /// Its key is two columns, which stand for one number.
    pub pair: bool,
    /// `replica identity …`, after what it needs.
    identity: &'static str,
    /// Whether Cassandra gets the image's number and the needed column. Where not, a row may be alive there without a cell.
    whole: bool,
}

/// All of them. An update leaves the large values of the first and the last alone without saying what they are.
pub const LEDGERS: [Ledger; 3] = [
    Ledger {
        name: "ledger",
        pair: false,
        identity: "",
        whole: true,
    },
    Ledger {
        name: "ledger_full",
        pair: false,
        identity: "alter table ledger_full replica identity full;",
        whole: true,
    },
    Ledger {
        name: "ledger_index",
        pair: true,
        identity: "create unique index ledger_index_b_a on ledger_index (b, a); \
                   alter table ledger_index replica identity using index ledger_index_b_a;",
        whole: false,
    },
];

/// What the second part of a key in two columns is below.
pub const PAIR: i64 = 16;

impl Ledger {
    /// The columns that changes may touch.
    pub fn columns(&self) -> Vec<Column> {
        let needed = if self.whole { &NEEDED[..] } else { &[] };
        [&NULLABLE[..], needed].concat()
    }

    /// The key's columns.
    pub fn key(&self) -> &'static [&'static str] {
        if self.pair { &["a", "b"] } else { &["id"] }
    }

    /// The number that stands for the key of a row, in SQL; `row` goes before each column, as `new.`.
    pub fn number(&self, row: &str) -> String {
        if self.pair {
            format!("({row}a * {PAIR} + {row}b)")
        } else {
            format!("{row}id")
        }
    }

    /// The key's columns of a number, in SQL.
    pub fn parts(&self, number: &str) -> Vec<String> {
        if self.pair {
            vec![format!("({number}) / {PAIR}"), format!("({number}) % {PAIR}")]
        } else {
            vec![number.to_owned()]
        }
    }

    /// Its columns in Cassandra, the key first.
    pub fn compared(&self) -> Vec<&'static str> {
        let version = if self.whole { &["version"][..] } else { &[] };
        let columns = self.columns();
        let names = columns.iter().map(|column| column.name);
        self.key().iter().chain(version).copied().chain(names).collect()
    }

    /// The same columns as Postgres has to show them to look as in Cassandra.
    pub fn shown(&self) -> Vec<String> {
        let show = |name: &&str| match *name {
            "bytes" => "'0x' || encode(bytes, 'hex')".to_owned(),
            name => name.to_owned(),
        };
        self.compared().iter().map(show).collect()
    }

    /// Creates it in Postgres. Its triggers number each image, and note each change.
    pub fn in_postgres(&self) -> String {
        let Self { name, .. } = self;
        let key = self.key().join(" bigint, ");
        let columns: String = self
            .columns()
            .iter()
            .map(|column| {
                let rule = match column.needed {
                    true => format!(" not null default '{}'", "n".repeat(DEFAULT_BYTES)),
                    false => String::new(),
                };
                format!(", {} {}{rule}", column.name, column.kind.in_postgres())
            })
            .collect();
        let storage: String = self
            .columns()
            .iter()
            .filter_map(|column| {
                let storage = column.storage?;
                Some(format!(
                    "alter table {name} alter column {} set storage {storage};\n",
                    column.name
                ))
            })
            .collect();
        format!(
            "create table {name} ({key} bigint, version bigint not null default 0{columns}, primary key ({}));\n{storage}{}\n\
             create trigger numbered before insert or update on {name} for each row execute function numbered();\n\
             create trigger noted after insert or update or delete on {name} for each row execute function noted();\n",
            self.key().join(", "),
            self.identity
        )
    }

    /// Creates it in Cassandra.
    pub fn in_cassandra(&self, keyspace: &str) -> String {
        let columns = self.columns();
        let cql = |name: &&str| {
            let found = columns.iter().find(|column| column.name == *name);
            let of = found.map_or("bigint", |column| column.kind.in_cassandra());
            format!("{name} {of}")
        };
        let all: Vec<_> = self.compared().iter().map(cql).collect();
        format!(
            "create table {keyspace}.{} ({}, primary key ({}));",
            self.name,
            all.join(", "),
            self.key().join(", ")
        )
    }

    /// The trigger's statements that say what became of each column, in PL/pgSQL: a word for each into `words`.
    pub fn fates(&self) -> String {
        let fate = |column: &Column| {
            let Column { name, storage, .. } = column;
            // Above the first, a row of this many bytes is cut down; `main` goes out of line only where no page takes the row.
            let main = *storage == Some("main") || column.kind == Kind::Amount;
            let inline = if main { 8200 } else { 2100 };
            format!("words := words || fate(old.{name}, new.{name}, {inline});\n")
        };
        self.columns().iter().map(fate).collect()
    }
}

impl Kind {
    fn in_postgres(self) -> &'static str {
        match self {
            Self::Number => "int",
            Self::Text => "text",
            Self::Bytes => "bytea",
            Self::Document => "jsonb",
            Self::Amount => "numeric",
        }
    }

    fn in_cassandra(self) -> &'static str {
        match self {
            Self::Number => "int",
            Self::Text | Self::Document => "text",
            Self::Bytes => "blob",
            Self::Amount => "decimal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_get_the_same_columns_in_the_same_order() {
        let [ledger, full, index] = LEDGERS;
        assert_eq!(
            ledger.compared(),
            [
                "id", "version", "small", "note", "plain", "outside", "bytes", "document", "amount", "needed"
            ]
        );
        assert_eq!(ledger.compared(), full.compared());
        assert_eq!(
            index.in_cassandra("k"),
            "create table k.ledger_index (a bigint, b bigint, small int, note text, plain text, outside text, \
             bytes blob, document text, amount decimal, primary key (a, b));"
        );
        for ledger in LEDGERS {
            assert_eq!(ledger.shown().len(), ledger.compared().len());
        }
    }

    #[test]
    fn a_number_stands_for_a_key_of_two_columns() {
        let [ledger, _, index] = LEDGERS;
        assert_eq!(
            (ledger.number("new."), ledger.parts("7")),
            ("new.id".into(), vec!["7".into()])
        );
        assert_eq!(index.number("new."), "(new.a * 16 + new.b)");
        assert_eq!(index.parts("7"), ["(7) / 16", "(7) % 16"]);
    }
}
