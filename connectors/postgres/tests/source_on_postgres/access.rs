//! Getting in, and what is said when something is missing: at validate where it can be known, else with the task's failure.

use std::process::Command;

use rowtide_api::config::ConfigReport;
use rowtide_testkit::stack::Stack;

use crate::harness::{Database, rules, session};

fn errors(report: &ConfigReport) -> String {
    report
        .errors()
        .iter()
        .map(|finding| format!("{}: {}\n", finding.key, finding.message))
        .collect()
}

/// PG-017: trust is what the other tests use; here SCRAM, md5, clear text, and a wrong password.
#[tokio::test]
async fn passwords_are_proven_by_every_method() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let name = &database.name;
    for (role, method) in [("scram", "scram-sha-256"), ("md5", "md5"), ("plain", "password")] {
        let encryption = if role == "md5" { "md5" } else { "scram-sha-256" };
        database
            .run(&format!(
                "SET password_encryption = '{encryption}'; CREATE ROLE {role}_{name} LOGIN REPLICATION PASSWORD 'secret';
                 GRANT SELECT ON t TO {role}_{name}; GRANT CREATE ON DATABASE {name} TO {role}_{name}"
            ))
            .await;
        let rule = format!("host {name} {role}_{name} 127.0.0.1/32 {method}");
        rules(database.stack, &format!("{role} of {name}"), &rule).await;
    }
    database
        .run("CREATE PUBLICATION dbz_publication FOR TABLE t")
        .await;
    for role in ["scram", "md5", "plain"] {
        let user = format!("{role}_{name}");
        let slot = format!("{role}_{}", database.slot());
        let login = [("database.user", user.as_str()), ("slot.name", &slot)];
        let right = [&login[..], &[("database.password", "secret")]].concat();
        let mut driver = database.start(&right).await;
        assert_eq!(driver.shown(1).await.len(), 1, "{role}");
        driver.stop().await;

        let wrong = [&login[..], &[("database.password", "hunter2")]].concat();
        let report = database.check(&wrong).await;
        assert!(
            errors(&report).starts_with("database.password: "),
            "{role}: {}",
            errors(&report)
        );
        let failure = database.start(&wrong).await.failure().await;
        assert!(
            failure.contains("28P01") && !failure.contains("hunter2"),
            "{failure}"
        );
        let none = database.start(&login).await.failure().await;
        assert!(none.contains("password"), "{none}");
    }
}

/// PG-017: every mode that needs it gets TLS, and refuses a certificate it cannot trust.
#[tokio::test]
async fn tls_is_used_and_verified_as_the_mode_says() {
    let stack: &'static Stack = Box::leak(Box::new(Stack::bare(&["postgres"])));
    let database = Database::on(
        stack,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
    )
    .await;
    let required = [("database.sslmode", "require")];
    let report = database.check(&required).await;
    assert!(
        errors(&report).contains("does not offer TLS"),
        "{}",
        errors(&report)
    );

    let data = std::path::Path::new(stack.get("PG_DATA"));
    let file = |name: &str| data.join(name).display().to_string();
    let status = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-x509",
            "-days",
            "2",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            &file("server.key"),
            "-out",
            &file("server.crt"),
        ])
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    Command::new("sh")
        .args([
            "-c",
            "chown --reference=\"$1\" \"$1/server.key\" \"$1/server.crt\"; chmod 600 \"$1/server.key\"",
            "sh",
        ])
        .arg(data)
        .status()
        .unwrap();
    let rule = format!(
        "hostssl {} all 127.0.0.1/32 trust\nhostnossl {} tlsonly 127.0.0.1/32 reject",
        database.name, database.name
    );
    rules(stack, "tls", &rule).await;
    database.run("ALTER SYSTEM SET ssl = on").await;
    database
        .run("CREATE ROLE tlsonly LOGIN SUPERUSER REPLICATION; SELECT pg_reload_conf()")
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    let certificate = file("server.crt");
    for mode in ["allow", "prefer", "require", "verify-ca"] {
        let slot = format!("tls_{}", mode.replace('-', "_"));
        let more = [
            ("database.user", "tlsonly"),
            ("database.sslmode", mode),
            ("database.sslrootcert", &certificate),
            ("slot.name", &slot),
        ];
        let mut driver = database.start(&more).await;
        assert_eq!(driver.shown(1).await.len(), 1, "{mode}");
        driver.stop().await;
    }
    let full = [
        ("database.sslmode", "verify-full"),
        ("database.sslrootcert", &certificate),
    ];
    let report = database.check(&full).await;
    assert!(
        errors(&report).starts_with("database.sslmode: "),
        "{}",
        errors(&report)
    );
    let named = [&full[..], &[("database.hostname", "localhost")]].concat();
    assert_eq!(errors(&database.check(&named).await), "");
    let untrusted = database.check(&[("database.sslmode", "verify-ca")]).await;
    assert!(
        errors(&untrusted).starts_with("database.sslmode: "),
        "{}",
        errors(&untrusted)
    );
    let refused = database
        .check(&[("database.user", "tlsonly"), ("database.sslmode", "disable")])
        .await;
    assert!(
        errors(&refused).starts_with("database.user: "),
        "{}",
        errors(&refused)
    );
}

/// PG-016 and the bad input of the house: each on its key, with the next step.
#[tokio::test]
async fn validate_names_the_key_and_the_fix() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE odd (id int PRIMARY KEY, p point, m money);
         CREATE ROLE weak LOGIN",
    )
    .await;
    let rule = format!("host {} weak 127.0.0.1/32 trust", database.name);
    rules(database.stack, &rule, &rule).await;
    let check = async |more: &[(&str, &str)]| errors(&database.check(more).await);
    let fine = ("table.include.list", "public.t");
    assert_eq!(check(&[fine]).await, "");
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Pairs<'_>, &str, &str); 7] = [
        (
            &[fine, ("database.port", "1")],
            "database.hostname",
            "check host and port",
        ),
        (
            &[fine, ("database.hostname", "no.such.host.invalid")],
            "database.hostname",
            "check the host name",
        ),
        (
            &[fine, ("database.dbname", "nowhere")],
            "database.dbname",
            "3D000",
        ),
        (
            &[fine, ("database.user", "weak")],
            "database.user",
            "ALTER ROLE weak REPLICATION",
        ),
        (
            &[("table.include.list", "public.nothing")],
            "table.include.list",
            "check the patterns",
        ),
        (
            &[fine, ("publication.autocreate.mode", "disabled")],
            "publication.name",
            "does not exist",
        ),
        (
            &[("table.include.list", "public.odd")],
            "column.exclude.list",
            "public.odd.p (point), public.odd.m (money)",
        ),
    ];
    for (more, key, words) in cases {
        let shown = check(more).await;
        assert!(
            shown.starts_with(&format!("{key}: ")) && shown.contains(words),
            "{more:?}: {shown}"
        );
    }
    let unread = check(&[fine, ("database.user", "weak")]).await;
    assert!(unread.contains("may not read t: run GRANT SELECT"), "{unread}");
    assert_eq!(check(&[("column.exclude.list", "public.odd.[pm]")]).await, "");
    database
        .run(&format!(
            "SELECT pg_create_logical_replication_slot('{}', 'test_decoding')",
            database.slot()
        ))
        .await;
    let shown = check(&[fine]).await;
    assert!(
        shown.starts_with("slot.name: ") && shown.contains("test_decoding"),
        "{shown}"
    );
}

/// The same findings fail a task that is started all the same, and nothing is left behind.
#[tokio::test]
async fn a_task_that_cannot_start_says_why() {
    let database =
        Database::new("CREATE TABLE odd (id int PRIMARY KEY, p point); CREATE ROLE noreplica LOGIN").await;
    let rule = format!("host {} noreplica 127.0.0.1/32 trust", database.name);
    rules(database.stack, &rule, &rule).await;
    let failure = database.start(&[]).await.failure().await;
    assert!(
        failure.contains("public.odd.p (point)") && failure.contains("column.exclude.list"),
        "{failure}"
    );
    let failure = database
        .start(&[("table.include.list", "public.nothing")])
        .await
        .failure()
        .await;
    assert!(
        failure.contains("no table") && failure.contains("table.include.list"),
        "{failure}"
    );
    let weak = [
        ("database.user", "noreplica"),
        ("column.exclude.list", ".*[.]p"),
        ("publication.name", "pub"),
    ];
    database.run("CREATE PUBLICATION pub FOR TABLE odd").await;
    let failure = database.start(&weak).await.failure().await;
    assert!(failure.contains("REPLICATION"), "{failure}");
    let disabled = [
        ("publication.autocreate.mode", "disabled"),
        ("column.exclude.list", ".*[.]p"),
    ];
    let failure = database.start(&disabled).await.failure().await;
    assert!(
        failure.contains("publication dbz_publication does not exist"),
        "{failure}"
    );
    assert_eq!(
        database
            .value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")
            .await,
        "0"
    );
}

/// A column of an unsupported type that appears while streaming fails the task by name.
#[tokio::test]
async fn an_unsupported_column_added_later_is_named() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut driver = database.start(&[]).await;
    let batch = driver.batch().await;
    driver.commit(&batch);
    database
        .run("ALTER TABLE t ADD p point; INSERT INTO t VALUES (1, '(1,2)')")
        .await;
    let failure = driver.failure().await;
    assert!(failure.contains("public.t.p (point)"), "{failure}");
}

/// PG-256.
#[tokio::test]
async fn a_server_without_logical_wal_is_refused() {
    let stack: &'static Stack = Box::leak(Box::new(Stack::bare(&["postgres"])));
    let database = Database::on(stack, "CREATE TABLE t (id int PRIMARY KEY)").await;
    database.run("ALTER SYSTEM SET wal_level = 'replica'").await;
    let name = database.name.clone();
    stack.restart("postgres");
    let again = session(stack, &name).await;
    let level = again.rows("SHOW wal_level", "reading").await.unwrap();
    assert_eq!(level[0][0].as_deref(), Some("replica"));
    let failure = database.start(&[]).await.failure().await;
    assert!(
        failure.contains("wal_level of the server is replica") && failure.contains("postgresql.conf"),
        "{failure}"
    );
    assert!(errors(&database.check(&[]).await).contains("wal_level = logical"));
}
