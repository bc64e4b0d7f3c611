//! `rowtide-randomuser [--port P]`: the randomuser-compatible server for the offline demo. It prints its URL and serves
//! until it is killed.

use std::io::Write;
use std::process::ExitCode;

use rowtide_testkit::randomuser::{Options, RandomUser};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(0),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        return complain(
            "usage: rowtide-randomuser [--port P] (0 or absent: a free port)",
            2,
        );
    };
    let options = Options {
        port,
        ..Options::default()
    };
    let server = match RandomUser::start_with(options).await {
        Ok(server) => server,
        Err(error) => return complain(&format!("cannot listen on 127.0.0.1:{port}: {error}"), 1),
    };
    let announced = writeln!(std::io::stdout(), "{}", server.url()).and_then(|()| std::io::stdout().flush());
    if let Err(error) = announced {
        return complain(&format!("cannot write the URL: {error}"), 1);
    }
    server.run().await;
    ExitCode::SUCCESS
}

fn complain(message: &str, code: u8) -> ExitCode {
    // Nothing is left to do where the error output itself is gone.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
