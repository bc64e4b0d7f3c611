//! Sans-I/O: `connection.url`, in the forms of JDBC and of libpq.

use std::time::Duration;

use crate::connection::{Host, Settings, SslMode, Tls};

/// Where a database is, out of its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Tried in order.
    pub hosts: Vec<Host>,
    /// The database.
    pub database: String,
    /// TLS.
    pub tls: Tls,
    /// Limit for reaching one host.
    pub connect_timeout: Duration,
    /// Parameters that are accepted and have no effect here.
    pub without_effect: Vec<String>,
}

/// Parameters of JDBC's and libpq's clients that ask for nothing this sink would do otherwise.
const WITHOUT_EFFECT: [&str; 10] = [
    "ApplicationName",
    "application_name",
    "binaryTransfer",
    "keepalives",
    "prepareThreshold",
    "reWriteBatchedInserts",
    "socketTimeout",
    "stringtype",
    "tcpKeepAlive",
    "defaultRowFetchSize",
];

/// Whose URL it is. Their escapes differ: in JDBC's a `+` is a blank, in libpq's it is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Jdbc,
    Libpq,
}

/// Reads `jdbc:postgresql://host[:port][,…]/database[?…]` or the same with `postgresql://` or `postgres://`.
///
/// # Errors
/// What is wrong and what to write instead; no part of the URL that could be a secret.
pub fn parse(url: &str) -> Result<Place, String> {
    let (rest, form) = match url.strip_prefix("jdbc:") {
        Some(rest) => (rest, Form::Jdbc),
        None => (url, Form::Libpq),
    };
    let rest = rest
        .strip_prefix("postgresql://")
        .or_else(|| rest.strip_prefix("postgres://"))
        .ok_or("It must read jdbc:postgresql://host:port/database or postgresql://host:port/database")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place
        .split_once('/')
        .ok_or("It names no database: write postgresql://host:port/database")?;
    if authority.contains('@') {
        return Err(
            "It must hold no user or password: set connection.username and connection.password".into(),
        );
    }
    let database = decoded(database, form)?;
    if database.is_empty() {
        return Err("It names no database: write postgresql://host:port/database".into());
    }
    let mut place = Place {
        hosts: Host::parse_list(authority, 5432)?,
        database,
        tls: Tls::of(SslMode::Prefer),
        connect_timeout: Settings::CONNECT_TIMEOUT,
        without_effect: Vec::new(),
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    // JDBC's short form counts where sslmode does not stand, in whichever order.
    let (short, others): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| *name == "ssl");
    for (name, value) in short.into_iter().chain(others) {
        parameter(&mut place, name, &decoded(value, form)?)?;
    }
    Ok(place)
}

fn parameter(place: &mut Place, name: &str, value: &str) -> Result<(), String> {
    match name {
        "sslmode" => {
            place.tls.mode = <SslMode as rowtide_api::config::Setting>::parse(value)
                .map_err(|reason| format!("sslmode: {reason}"))?;
        }
        // JDBC's short form checks the certificate.
        "ssl" if value.is_empty() || value.eq_ignore_ascii_case("true") => {
            place.tls.mode = SslMode::VerifyFull;
        }
        // It asks for nothing: the server's offer of TLS is taken all the same.
        "ssl" if value.eq_ignore_ascii_case("false") => place.tls.mode = SslMode::Prefer,
        "sslrootcert" => place.tls.root_certificates = Some(value.into()),
        "sslcert" => place.tls.certificate = Some(value.into()),
        "sslkey" => place.tls.key = Some(value.into()),
        "connectTimeout" | "connect_timeout" | "loginTimeout" => match value.parse::<u64>() {
            Ok(0) => {}
            Ok(seconds) => place.connect_timeout = Duration::from_secs(seconds),
            Err(_) => return Err(format!("{name} is a number of seconds")),
        },
        "user" | "password" => {
            return Err(
                "It must hold no user or password: set connection.username and connection.password".into(),
            );
        }
        _ if WITHOUT_EFFECT.contains(&name) => place.without_effect.push(name.to_owned()),
        _ => return Err(format!("Its parameter {name} is not supported: remove it")),
    }
    Ok(())
}

fn decoded(text: &str, form: Form) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            let is_blank = *first == b'+' && form == Form::Jdbc;
            bytes.push(if is_blank { b' ' } else { *first });
            rest = tail;
            continue;
        }
        let byte = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("A % in it begins no escape: write %25")?);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "Its escapes are not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jdbc_and_libpq_forms_mean_the_same_place() {
        for (url, shown) in [
            ("jdbc:postgresql://db:6543/shop", "db:6543 shop Prefer"),
            ("postgresql://db/shop", "db:5432 shop Prefer"),
            (
                "postgres://[::1]:1,b/my%20shop?sslmode=require",
                "[::1]:1 b:5432 my shop Require",
            ),
            ("jdbc:postgresql://db/shop?ssl=true", "db:5432 shop VerifyFull"),
            // As pgjdbc 42.7 answers.
            (
                "jdbc:postgresql://db/my+shop?ssl=TRUE",
                "db:5432 my shop VerifyFull",
            ),
            (
                "jdbc:postgresql://db/my%2Bshop?ssl=False",
                "db:5432 my+shop Prefer",
            ),
            (
                "jdbc:postgresql://db/shop?sslmode=REQUIRE&ssl",
                "db:5432 shop Require",
            ),
            ("postgresql://db/my+shop", "db:5432 my+shop Prefer"),
        ] {
            let place = parse(url).unwrap();
            let hosts: Vec<_> = place.hosts.iter().map(Host::to_string).collect();
            assert_eq!(
                format!("{} {} {:?}", hosts.join(" "), place.database, place.tls.mode),
                shown
            );
        }
        let place = parse("postgresql://db/shop?connectTimeout=3&ApplicationName=x").unwrap();
        assert_eq!(place.connect_timeout, Duration::from_secs(3));
        assert_eq!(place.without_effect, ["ApplicationName"]);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_without_showing_a_secret() {
        for (url, word) in [
            ("mysql://db/shop", "postgresql://"),
            ("postgresql://db", "no database"),
            ("postgresql://db/", "no database"),
            ("postgresql://u:hunter2@db/shop", "connection.password"),
            ("postgresql://db/shop?password=hunter2", "connection.password"),
            ("postgresql://db/shop?currentSchema=x", "currentSchema"),
            ("postgresql://db/shop?sslmode=maybe", "sslmode"),
            ("postgresql://db/%zz", "%25"),
        ] {
            let reason = parse(url).unwrap_err();
            assert!(reason.contains(word), "{url}: {reason}");
            assert!(!reason.contains("hunter2"));
        }
    }
}
