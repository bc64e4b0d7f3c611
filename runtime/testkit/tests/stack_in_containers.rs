//! The stack handle on a container engine. It needs one, and the images of `compose/compose.yaml`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rowtide_testkit::stack::Stack;
use rowtide_testkit::stack::choice::Form;

/// One stack at a time: each is gigabytes of servers.
static TURN: Mutex<()> = Mutex::new(());

const CHILD: &str = "ROWTIDE_TEST_CONTAINERS_CHILD";

/// Labels of the containers of a process.
fn left_of(pid: u32) -> Vec<String> {
    let format = "{{.Label \"dev.rowtide.stack\"}}";
    let done = Command::new("docker")
        .args(["ps", "-a", "--format", format])
        .output()
        .expect("docker can be run");
    assert!(done.status.success());
    let prefix = format!("test-{pid}-");
    let text = String::from_utf8(done.stdout).expect("labels are text");
    text.lines()
        .filter(|label| label.starts_with(&prefix))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn postgres_has_its_tables_and_settings_and_keeps_them_when_killed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::of(
        Form::Containers,
        &["postgres"],
        Some("max_prepared_transactions=7"),
    );
    stack.init();
    assert_eq!(
        stack.sql("rowtide", "show wal_level; show max_prepared_transactions;"),
        "logical\n7\n"
    );
    stack.sql(
        "rowtide",
        "insert into created_users (id, first_name) values (gen_random_uuid(), E'a\\tb')",
    );
    let rows = "select first_name, last_name from created_users";
    assert_eq!(stack.sql("rowtide", rows), "a\tb\tnull\n");
    let error = stack.try_sql("rowtide", "select nothing").unwrap_err();
    assert!(error.contains("nothing"), "{error}");
    let port = stack.get("PG_PORT").to_owned();
    stack.kill("postgres");
    assert!(stack.try_sql("rowtide", "select 1").is_err());
    stack.up("postgres");
    stack.restart("postgres");
    assert_eq!(stack.get("PG_PORT"), port);
    assert_eq!(stack.sql("rowtide", rows), "a\tb\tnull\n");
    assert_eq!(left_of(std::process::id()).len(), 1);
    drop(stack);
    assert_eq!(left_of(std::process::id()), [""; 0]);
}

/// From this machine: the superuser without a password, others by SCRAM, replication too.
#[test]
fn a_client_of_this_machine_comes_in_as_to_the_processes() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::of(Form::Containers, &["postgres"], None);
    stack.init();
    let connect = |user: &str, password: &str| {
        let url = format!(
            "postgres://{user}:{password}@127.0.0.1:{}/rowtide?replication=database",
            stack.get("PG_PORT")
        );
        let done = Command::new("psql")
            .args([&url, "-qAtXc", "IDENTIFY_SYSTEM"])
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8(done.stderr).unwrap())
    };
    assert!(connect("postgres", "").0);
    assert!(connect("rowtide", "rowtide").0);
    let (succeeded, said) = connect("rowtide", "wrong");
    assert!(
        !succeeded && said.contains("password authentication failed"),
        "{said}"
    );
}

#[test]
fn cassandra_has_its_table_and_keeps_it_when_killed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::of(Form::Containers, &["cassandra"], None);
    stack.init();
    stack.cql(
        "insert into spark_streams.created_users (id, first_name, phone) \
         values (00000000-0000-0000-0000-000000000001, 'Zoë', '7');",
    );
    let rows = "select id, first_name, last_name, phone from spark_streams.created_users;";
    let expected = "00000000-0000-0000-0000-000000000001\tZoë\tnull\t7\n";
    assert_eq!(stack.cql(rows), expected);
    // A write that was acknowledged survives a SIGKILL a moment later, as it does in `compose/stack`.
    stack.kill("cassandra");
    stack.up("cassandra");
    assert_eq!(stack.cql(rows), expected);
    assert_eq!(
        stack.cql(
            "select id from spark_streams.created_users where id = 00000000-0000-0000-0000-000000000002;"
        ),
        ""
    );
}

#[test]
fn kafka_and_the_registry_answer_on_the_port_they_advertise_also_when_killed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::of(Form::Containers, &["kafka", "registry"], None);
    let url = stack.get("REGISTRY_URL").to_owned();
    let level = || {
        let done = Command::new("curl")
            .args(["-fsS", "--noproxy", "*", &format!("{url}/config")])
            .output()
            .unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(level().contains("BACKWARD"), "{}", level());
    TcpStream::connect(stack.get("KAFKA_BOOTSTRAP")).unwrap();
    for server in ["kafka", "registry"] {
        stack.kill(server);
        stack.up(server);
    }
    TcpStream::connect(stack.get("KAFKA_BOOTSTRAP")).unwrap();
    assert!(level().contains("BACKWARD"), "{}", level());
}

#[test]
fn what_a_container_does_not_have_is_refused_by_name() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let refusal = |act: &dyn Fn()| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let message = refusal(&|| drop(Stack::of(Form::Containers, &["postgres18"], None)));
    assert!(
        message.contains("postgres18") && message.contains("ROWTIDE_TEST_STACK=processes"),
        "{message}"
    );
    let stack = Stack::of(Form::Containers, &["postgres"], None);
    let message = refusal(&|| drop(stack.get("PG_DATA").to_owned()));
    assert!(
        message.contains("PG_DATA") && message.contains("ROWTIDE_TEST_STACK=processes"),
        "{message}"
    );
    let message = refusal(&|| stack.kill("kafka"));
    assert!(message.contains("kafka"), "{message}");
}

/// The process starts itself again, to be killed.
#[test]
fn a_killed_process_leaves_no_container() {
    let name = "a_killed_process_leaves_no_container";
    if std::env::var_os(CHILD).is_some() {
        let _stack = Stack::of(Form::Containers, &["postgres"], None);
        let mut out = std::io::stdout();
        writeln!(out, "\nstarted").unwrap();
        loop {
            std::thread::park();
        }
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"));
    assert_eq!(left_of(child.id()).len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !left_of(child.id()).is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", left_of(child.id()));
        std::thread::sleep(Duration::from_millis(100));
    }
}
