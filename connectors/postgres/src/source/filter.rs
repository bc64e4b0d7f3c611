//! Sans-I/O: which tables and columns are captured (PG-014, PG-015, PG-021).

use rowtide_api::{Error, ResultExt};
use rowtide_java::regex::PatternList;

use crate::identifier::TableName;

/// The lists as they were configured; an empty text is no list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterLists {
    /// `schema.include.list`
    pub schema_include: String,
    /// `schema.exclude.list`
    pub schema_exclude: String,
    /// `table.include.list`
    pub table_include: String,
    /// `table.exclude.list`
    pub table_exclude: String,
    /// `column.include.list`
    pub column_include: String,
    /// `column.exclude.list`
    pub column_exclude: String,
    /// `table.ignore.builtin`
    pub ignore_builtin: bool,
}

/// The lists, compiled.
#[derive(Debug)]
pub struct Filter {
    schemas: Choice,
    tables: Choice,
    columns: Choice,
    ignore_builtin: bool,
}

/// A key and what is wrong with it.
pub type Problem = (&'static str, String);

impl Filter {
    /// Compiles the lists.
    ///
    /// # Errors
    /// Everything that is wrong, by key.
    pub fn new(lists: &FilterLists) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut choice = |include_key, include: &str, exclude_key, exclude: &str| {
            Choice::new(include_key, include, exclude_key, exclude, &mut problems)
        };
        let filter = Self {
            schemas: choice(
                "schema.include.list",
                &lists.schema_include,
                "schema.exclude.list",
                &lists.schema_exclude,
            ),
            tables: choice(
                "table.include.list",
                &lists.table_include,
                "table.exclude.list",
                &lists.table_exclude,
            ),
            columns: choice(
                "column.include.list",
                &lists.column_include,
                "column.exclude.list",
                &lists.column_exclude,
            ),
            ignore_builtin: lists.ignore_builtin,
        };
        if problems.is_empty() {
            Ok(filter)
        } else {
            Err(problems)
        }
    }

    /// Whether a table is captured.
    ///
    /// # Errors
    /// Fatal when a pattern cannot decide it.
    pub fn captures(&self, table: &TableName) -> Result<bool, Error> {
        if self.ignore_builtin && is_builtin(table) {
            return Ok(false);
        }
        Ok(self.schemas.allows(&table.schema)? && self.tables.allows(&table.to_string())?)
    }

    /// Whether a column of a captured table is captured.
    ///
    /// # Errors
    /// Fatal when a pattern cannot decide it.
    pub fn captures_column(&self, table: &TableName, column: &str) -> Result<bool, Error> {
        if matches!(self.columns, Choice::All) {
            return Ok(true);
        }
        self.columns.allows(&format!("{table}.{column}"))
    }

    /// PG-147: the place of the first pattern of `table.include.list` that names the table; tables are snapshotted in
    /// that order, then by name.
    ///
    /// # Errors
    /// Fatal when a pattern cannot decide it.
    pub fn rank(&self, table: &TableName) -> Result<usize, Error> {
        match &self.tables {
            Choice::Include(key, list) => {
                let rank = list
                    .position(&table.to_string())
                    .fatal(format!("matching {key}"))?;
                Ok(rank.unwrap_or(usize::MAX))
            }
            _ => Ok(0),
        }
    }

    /// Whether an include list of tables or schemas was given.
    pub fn names_tables(&self) -> bool {
        matches!(self.tables, Choice::Include(..)) || matches!(self.schemas, Choice::Include(..))
    }
}

fn is_builtin(table: &TableName) -> bool {
    let schema = &*table.schema;
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
        || schema.starts_with("pg_temp")
        || schema.starts_with("pg_toast_temp")
        || &*table.table == "spatial_ref_sys"
}

/// One kind of name.
#[derive(Debug)]
enum Choice {
    All,
    Include(&'static str, PatternList),
    Exclude(&'static str, PatternList),
}

impl Choice {
    fn new(
        include_key: &'static str,
        include: &str,
        exclude_key: &'static str,
        exclude: &str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        if !include.is_empty() && !exclude.is_empty() {
            for (key, other) in [(include_key, exclude_key), (exclude_key, include_key)] {
                problems.push((
                    key,
                    format!("{key} and {other} exclude each other: keep one of them"),
                ));
            }
            return Self::All;
        }
        let (key, text) = if include.is_empty() {
            (exclude_key, exclude)
        } else {
            (include_key, include)
        };
        if text.is_empty() {
            return Self::All;
        }
        match PatternList::compile(text) {
            Ok(list) if include.is_empty() => Self::Exclude(key, list),
            Ok(list) => Self::Include(key, list),
            Err(error) => {
                problems.push((
                    key,
                    format!("Invalid value {text} for configuration {key}: {error}"),
                ));
                Self::All
            }
        }
    }

    fn allows(&self, name: &str) -> Result<bool, Error> {
        match self {
            Self::All => Ok(true),
            Self::Include(key, list) => list.matches(name).fatal(format!("matching {key}")),
            Self::Exclude(key, list) => {
                let excluded = list.matches(name).fatal(format!("matching {key}"))?;
                Ok(!excluded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(change: impl FnOnce(&mut FilterLists)) -> Filter {
        let mut lists = FilterLists {
            ignore_builtin: true,
            ..FilterLists::default()
        };
        change(&mut lists);
        Filter::new(&lists).unwrap()
    }

    fn captured(filter: &Filter, name: &str) -> bool {
        let (schema, table) = name.split_once('.').unwrap();
        filter.captures(&TableName::new(schema, table)).unwrap()
    }

    /// PG-014: anchored, without regard to case, blanks trimmed.
    #[test]
    fn tables_are_matched_as_a_whole() {
        let filter = filter(|lists| lists.table_include = "public.users , shop\\..*".into());
        assert!(captured(&filter, "public.users"));
        assert!(captured(&filter, "PUBLIC.Users"));
        assert!(captured(&filter, "shop.orders"));
        assert!(!captured(&filter, "public.users2"));
        let rank = |schema, table| filter.rank(&TableName::new(schema, table)).unwrap();
        assert_eq!((rank("public", "users"), rank("shop", "a")), (0, 1));
    }

    /// PG-021.
    #[test]
    fn schemas_and_tables_both_have_to_allow() {
        let filter = filter(|lists| {
            lists.schema_include = "public".into();
            lists.table_exclude = "public.secret.*".into();
        });
        assert!(captured(&filter, "public.users"));
        assert!(!captured(&filter, "public.secrets"));
        assert!(!captured(&filter, "shop.users"));
        assert!(!captured(&filter, "pg_catalog.pg_class"));
    }

    #[test]
    fn columns_are_matched_with_their_table() {
        let filter = filter(|lists| lists.column_exclude = "public.users.password".into());
        let users = TableName::new("public", "users");
        assert!(filter.captures_column(&users, "name").unwrap());
        assert!(!filter.captures_column(&users, "password").unwrap());
    }

    #[test]
    fn a_broken_pattern_names_its_key() {
        let lists = FilterLists {
            table_include: "a(".into(),
            ..FilterLists::default()
        };
        let problems = Filter::new(&lists).unwrap_err();
        assert_eq!(problems[0].0, "table.include.list");
    }
}
