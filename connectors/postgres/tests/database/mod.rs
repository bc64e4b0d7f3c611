//! A database of one test, on a server of `compose/stack`.

use std::sync::atomic::{AtomicU32, Ordering};

use rowtide_api::Secret;
use rowtide_postgres::connection::{Connection, Host, KeyNames, Purpose, Settings, SslMode, Tls, connect};
use rowtide_testkit::conformance::whole;
use rowtide_testkit::stack::Stack;

/// How a server's database is reached as its superuser.
pub fn settings(stack: &Stack, database: &str) -> Settings {
    Settings {
        hosts: vec![Host {
            name: stack.get("PG_HOST").to_owned(),
            port: stack.get("PG_PORT").parse().unwrap(),
        }],
        user: stack.get("PG_USER").to_owned(),
        password: Some(Secret::new("any")),
        database: database.to_owned(),
        tls: Tls::of(SslMode::Disable),
        tcp_keepalive: true,
        connect_timeout: Settings::CONNECT_TIMEOUT,
        keys: KeyNames {
            user: "database.user",
            password: "database.password",
            database: "database.dbname",
        },
    }
}

/// A session as the superuser.
pub async fn session(stack: &Stack, database: &str) -> Connection {
    connect(&settings(stack, database), Purpose::Validation)
        .await
        .unwrap()
}

/// A database, and a session in it.
pub struct Database {
    pub stack: &'static Stack,
    pub name: String,
    pub sql: Connection,
}

impl Database {
    /// A new one, with these statements run in it.
    pub async fn on(stack: &'static Stack, tables: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = session(stack, "postgres").await;
        admin
            .rows(&format!("CREATE DATABASE {name}"), "creating")
            .await
            .unwrap();
        let sql = session(stack, &name).await;
        let database = Self { stack, name, sql };
        database.run(tables).await;
        database
    }

    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.sql.rows(sql, sql).await {
            panic!("{}", whole(&error));
        }
    }

    /// The first cell of the answer; empty for a null and for no row.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.sql.rows(sql, sql).await.unwrap();
        rows.first()
            .and_then(|row| row.first())
            .cloned()
            .flatten()
            .unwrap_or_default()
    }
}
