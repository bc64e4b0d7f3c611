//! The server's side: the table of PF-091, the three shapes of transactions, and slots that read the same WAL again.

use rowtide_api::{Error, ResultExt, Secret};
use rowtide_postgres::connection::{Connection, Host, KeyNames, Purpose, Settings, SslMode, Tls, connect};
use rowtide_postgres::source::catalogue::structures_sql;
use rowtide_testkit::stack::Stack;

use crate::capture::CatalogueRows;
use crate::raw::Address;

/// What throughput runs ask of the server (PF-091): nothing waits for the disk, nothing else writes. The role's rights
/// and the number of slots are the stack's own.
pub const FAST: &str = "shared_buffers=512MB;fsync=off;full_page_writes=off;synchronous_commit=off;autovacuum=off;\
                        max_wal_size=20GB;logical_decoding_work_mem=64MB";

const DATABASE: &str = "bench";

/// How rows are spread over transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// 100 rows each.
    Hundreds,
    /// One row each.
    Singles,
    /// One transaction with all rows.
    Whole,
}

impl Shape {
    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hundreds => "tx100",
            Self::Singles => "tx1",
            Self::Whole => "tx1m",
        }
    }

    /// How many of the rows it writes: transactions of one row are slow to make, and a third of them is as telling.
    fn rows(self, rows: u64) -> u64 {
        match self {
            Self::Hundreds => rows / 100 * 100,
            Self::Singles => rows.div_ceil(3),
            Self::Whole => rows,
        }
    }

    fn statement(self, table: &str, rows: u64) -> String {
        let step = match self {
            Self::Hundreds => 100,
            Self::Singles => 1,
            Self::Whole => return format!("INSERT INTO {table} SELECT * FROM bench"),
        };
        format!(
            "DO $$ BEGIN FOR n IN 1..{rows} BY {step} LOOP
               INSERT INTO {table} SELECT * FROM bench WHERE id BETWEEN n AND n + {step} - 1;
               COMMIT;
             END LOOP; END $$"
        )
    }
}

/// WAL that can be read again and again.
#[derive(Debug, Clone)]
pub struct Written {
    /// The table without its schema.
    pub table: String,
    /// The publication of that table alone.
    pub publication: String,
    /// A slot that stands before the first transaction; runs read copies of it.
    base: String,
    /// Changes, counted in the table: the ground truth of every run (PF-092).
    pub changes: u64,
    /// The last commit ends at or behind this LSN.
    pub end: u64,
}

impl Written {
    /// What a bare reader asks of pgoutput: what our source asks too.
    pub fn options(&self) -> String {
        format!("proto_version '1', publication_names '{}'", self.publication)
    }
}

/// The database of the runs.
pub struct Database {
    /// Where it is.
    pub address: Address,
    sql: Connection,
    copies: u32,
}

impl Database {
    /// Makes the database, and `bench` with this many rows.
    ///
    /// # Errors
    /// The server's.
    pub async fn prepare(stack: &Stack, rows: u64) -> Result<Self, Error> {
        let doing = "preparing the database of the runs";
        let address = Address {
            host: stack.get("PG_HOST").to_owned(),
            port: stack.get("PG_PORT").parse().fatal(doing)?,
            user: stack.get("PG_USER").to_owned(),
            database: DATABASE.to_owned(),
        };
        let admin = open(&address, "postgres").await?;
        let old =
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'bench'";
        admin.rows(old, doing).await?;
        admin
            .rows(&format!("DROP DATABASE IF EXISTS {DATABASE}"), doing)
            .await?;
        admin.rows(&format!("CREATE DATABASE {DATABASE}"), doing).await?;
        let sql = open(&address, DATABASE).await?;
        sql.rows(TABLE, doing).await?;
        sql.rows(&content(rows), doing).await?;
        sql.rows("VACUUM ANALYZE bench", doing).await?;
        Ok(Self {
            address,
            sql,
            copies: 0,
        })
    }

    /// Writes the rows of `bench` into a table of its own, in this shape, behind a slot.
    ///
    /// # Errors
    /// The server's.
    pub async fn write(&self, shape: Shape, rows: u64) -> Result<Written, Error> {
        let name = shape.name();
        let mut written = self.publish(name).await?;
        let doing = "writing the changes";
        let statement = shape.statement(&written.table, shape.rows(rows));
        self.sql.rows(&statement, doing).await?;
        // A transaction of its own ends the run: whatever else reaches the log, no commit at or behind `end` is another.
        // Behind the position by one: the run's own last commit may end exactly there.
        written.end = self.lsn().await? + 1;
        let table = &written.table;
        let last = format!("INSERT INTO {table} (id, first_name) VALUES (0, 'last')");
        self.sql.rows(&last, doing).await?;
        written.changes = self.number(&format!("SELECT count(*) FROM {table}")).await?;
        Ok(written)
    }

    /// An empty table, its publication, and a slot before whatever is written to it.
    ///
    /// # Errors
    /// The server's.
    pub async fn publish(&self, name: &str) -> Result<Written, Error> {
        let doing = "publishing a table";
        let (table, publication, base) = (
            format!("cdc_{name}"),
            format!("pub_{name}"),
            format!("base_{name}"),
        );
        let sql = format!(
            "CREATE TABLE {table} (LIKE bench INCLUDING ALL); CREATE PUBLICATION {publication} FOR TABLE {table}"
        );
        self.sql.rows(&sql, doing).await?;
        let slot = format!("SELECT pg_create_logical_replication_slot('{base}', 'pgoutput')");
        self.sql.rows(&slot, doing).await?;
        Ok(Written {
            table,
            publication,
            base,
            changes: 0,
            end: 0,
        })
    }

    /// A slot that reads the same WAL from the beginning (PF-097).
    ///
    /// # Errors
    /// The server's.
    pub async fn copy_slot(&mut self, written: &Written) -> Result<String, Error> {
        self.copies += 1;
        let name = format!("run_{}", self.copies);
        let sql = format!(
            "SELECT pg_copy_logical_replication_slot('{}', '{name}')",
            written.base
        );
        self.sql.rows(&sql, "copying the slot").await?;
        Ok(name)
    }

    /// Moves a copy to the end of the log: what follows is read as it is written.
    ///
    /// # Errors
    /// The server's.
    pub async fn advance_slot(&self, slot: &str) -> Result<(), Error> {
        let sql = format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())");
        self.sql.rows(&sql, "advancing the slot").await.map(|_| ())
    }

    /// Removes a copy; waits until whoever read it is gone.
    ///
    /// # Errors
    /// The server's, also when the slot stays in use.
    pub async fn drop_slot(&self, slot: &str) -> Result<(), Error> {
        let doing = "dropping the slot";
        for _ in 0..500 {
            if self.walsender(slot).await?.is_none() {
                let sql = format!("SELECT pg_drop_replication_slot('{slot}')");
                return self.sql.rows(&sql, doing).await.map(|_| ());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Err(Error::fatal(format!("{doing} {slot}: somebody still reads it")))
    }

    /// The process that serves a slot, while somebody reads it.
    ///
    /// # Errors
    /// The server's.
    pub async fn walsender(&self, slot: &str) -> Result<Option<u32>, Error> {
        let sql = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
        let text = self.text(&sql).await?;
        Ok(text.parse().ok())
    }

    /// How long commits take from now on: with or without waiting for the disk.
    ///
    /// # Errors
    /// The server's.
    pub async fn set_durable(&self, durable: bool) -> Result<(), Error> {
        let value = if durable { "on" } else { "off" };
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let sql = format!("ALTER SYSTEM SET {setting} = {value}");
            self.sql.rows(&sql, "changing the server's settings").await?;
        }
        self.sql
            .rows("SELECT pg_reload_conf()", "changing the server's settings")
            .await?;
        Ok(())
    }

    /// Version and the settings that decide what the figures mean (PF-095).
    ///
    /// # Errors
    /// The server's.
    pub async fn describe(&self) -> Result<String, Error> {
        self.text(
            "SELECT 'PostgreSQL ' || current_setting('server_version') || ', ' || string_agg(name || '=' ||
               current_setting(name), ' ' ORDER BY name)
             FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',
               'autovacuum', 'max_wal_size', 'logical_decoding_work_mem')",
        )
        .await
    }

    /// What the catalogue tells the source about the written table.
    ///
    /// # Errors
    /// The server's.
    pub async fn structure_rows(&self, written: &Written) -> Result<CatalogueRows, Error> {
        let oid = self
            .number(&format!("SELECT '{}'::regclass::oid", written.table))
            .await?;
        let oid = u32::try_from(oid).fatal("reading the table's oid")?;
        let sql = structures_sql(&[oid], &[]);
        self.sql.rows(&sql, "reading the structure of tables").await
    }

    /// A further session, for whoever writes meanwhile.
    ///
    /// # Errors
    /// The server's.
    pub async fn session(&self) -> Result<Connection, Error> {
        open(&self.address, DATABASE).await
    }

    async fn lsn(&self) -> Result<u64, Error> {
        self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::text")
            .await
    }

    async fn number(&self, sql: &str) -> Result<u64, Error> {
        self.text(sql).await?.parse().fatal(sql)
    }

    async fn text(&self, sql: &str) -> Result<String, Error> {
        let rows = self.sql.rows(sql, "asking the server").await?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
        Ok(first.flatten().unwrap_or_default())
    }
}

async fn open(address: &Address, database: &str) -> Result<Connection, Error> {
    let settings = Settings {
        hosts: vec![Host {
            name: address.host.clone(),
            port: address.port,
        }],
        user: address.user.clone(),
        password: Some(Secret::new("trusted")),
        database: database.to_owned(),
        tls: Tls::of(SslMode::Disable),
        tcp_keepalive: true,
        connect_timeout: Settings::CONNECT_TIMEOUT,
        keys: KeyNames {
            user: "the stack's user",
            password: "its password",
            database: "its database",
        },
    };
    connect(&settings, Purpose::Validation).await
}

const TABLE: &str = "CREATE TABLE bench (id bigint PRIMARY KEY, first_name text, last_name text, email text,
  country text, age int, active bool, balance numeric(12,2), score float8, uid uuid, created_at timestamptz,
  attrs jsonb)";

fn content(rows: u64) -> String {
    format!(
        "INSERT INTO bench SELECT g, 'first'||(g%1000), 'last'||(g%5000), 'user'||g||'@example.com',
           'country'||(g%200), (g%90)::int, g%2=0, (g%1000000)/100.0, random()*1000, md5(g::text)::uuid,
           now()-((g%100000)||' s')::interval, jsonb_build_object('k',g%100,'tier','free','n',g)
         FROM generate_series(1,{rows}) g"
    )
}
