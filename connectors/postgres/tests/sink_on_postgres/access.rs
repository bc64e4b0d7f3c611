//! Getting in, and what is said when something is missing: in validate where it can be known, else with the failure.

use rowtide_testkit::conformance::whole;

use crate::harness::{Database, failed, gone, row, text};

/// Wrong password, no password, unknown role, unknown database, nobody listening: the key, the object, the next step.
#[tokio::test]
async fn a_server_that_cannot_be_entered_is_named_with_the_key_to_change() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let role = format!("writer_{}", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT SELECT, INSERT, UPDATE, DELETE ON t TO {role}"
        ))
        .await;
    let user = ("connection.username", role.as_str());
    let url = |place: &str| format!("postgresql://{place}");
    let here = format!(
        "{}:{}",
        database.stack.get("PG_HOST"),
        database.stack.get("PG_PORT")
    );
    let (unknown, nobody) = (
        url(&format!("{here}/nowhere")),
        url(&format!("127.0.0.1:1/{}", database.name)),
    );
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Pairs<'_>, &str, &str, bool); 5] = [
        (
            &[user, ("connection.password", "hunter2")],
            "connection.password",
            "password",
            false,
        ),
        (&[user], "connection.password", "password", false),
        (
            &[
                ("connection.username", "nobody"),
                ("connection.password", "hunter2"),
            ],
            "connection.password",
            "nobody",
            false,
        ),
        (
            &[("connection.url", &unknown)],
            "connection.url",
            "nowhere",
            false,
        ),
        (
            &[("connection.url", &nobody)],
            "connection.url",
            "127.0.0.1:1",
            true,
        ),
    ];
    for (settings, key, word, passes) in cases {
        let said = database.check(settings).await;
        assert!(
            said.starts_with(&format!("{key}: ")) && said.contains(word),
            "{settings:?}: {said}"
        );
        let error = database.start(settings).await.err().unwrap();
        assert_eq!(error.is_retriable(), passes, "{}", whole(&error));
        for text in [said, whole(&error)] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    let right = [user, ("connection.password", "secret")];
    assert_eq!(database.check(&right).await, "");
    let mut sink = database.sink(&right).await;
    assert_eq!(
        sink.written(vec![row(1, vec![text("a", "x")]), gone(2)])
            .await
            .written,
        2
    );
}

/// Rights on the table and the schema: in validate, and with the failure of a task that is started all the same.
#[tokio::test]
async fn missing_rights_are_named() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let role = format!("weak_{}", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT SELECT, INSERT ON t TO {role}"
        ))
        .await;
    let login = [
        ("connection.username", role.as_str()),
        ("connection.password", "secret"),
    ];
    let said = database.check(&login).await;
    assert_eq!(
        said,
        format!(
            "connection.username: the role {role} lacks UPDATE, DELETE on the table t: grant it, or use a role that has it\n"
        )
    );
    let mut sink = database.sink(&login).await;
    let (retriable, said) = failed(&mut sink, vec![row(1, vec![text("a", "x")])]).await;
    assert!(
        !retriable && said.contains("table t") && said.contains("grant"),
        "{said}"
    );
    // To create a table takes the right on its schema.
    let creating = [
        &login[..],
        &[("schema.evolution", "basic"), ("collection.name.format", "new")],
    ]
    .concat();
    let said = database.check(&creating).await;
    assert!(said.contains("lacks CREATE on the schema of new"), "{said}");
    let mut sink = database.sink(&creating).await;
    let (retriable, said) = failed(&mut sink, vec![row(1, vec![text("a", "x")])]).await;
    assert!(
        !retriable && said.contains("creating the table new") && said.contains("grant"),
        "{said}"
    );
}
