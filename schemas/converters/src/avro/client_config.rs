//! The settings of the registry client.

use std::time::Duration;

use rowtide_api::Secret;
use rowtide_api::config::{Definition, Importance, Key, Reader};
use rowtide_registry::client::{ClientSettings, Credentials, RegistryUrl, Secret as Hidden};

const GROUP: &str = "Schema Registry";

const URL: Key<String> = Key::required(
    "schema.registry.url",
    "Addresses of the registry, separated by commas: tried in this order.",
)
.group(GROUP);
const RANDOMIZE: Key<bool> = Key::new(
    "schema.registry.url.randomize",
    "Whether to begin with any of the addresses, so that many clients spread over them.",
)
.default("false")
.group(GROUP);
const CONNECT_TIMEOUT: Key<u32> = Key::new(
    "http.connect.timeout.ms",
    "How long a connection may take to open, in milliseconds.",
)
.default("60000")
.group(GROUP);
const READ_TIMEOUT: Key<u32> = Key::new(
    "http.read.timeout.ms",
    "How long an answer may pause, in milliseconds.",
)
.default("60000")
.group(GROUP);
const RETRIES: Key<u32> = Key::new(
    "max.retries",
    "Rounds over all addresses after the first one failed.",
)
.default("3")
.group(GROUP);
const RETRY_WAIT: Key<u32> = Key::new(
    "retries.wait.ms",
    "Wait before the second round, in milliseconds; it doubles.",
)
.default("1000")
.group(GROUP);
const RETRY_WAIT_MAX: Key<u32> = Key::new(
    "retries.max.wait.ms",
    "Longest wait between rounds, in milliseconds.",
)
.default("20000")
.group(GROUP);
const SCHEMAS_MAX: Key<u32> = Key::new(
    "max.schemas.per.subject",
    "Ids remembered for each subject; the oldest are forgotten first.",
)
.default("1000")
.group(GROUP);
const BASIC_SOURCE: Key<String> = Key::new(
    "basic.auth.credentials.source",
    "Where user and password come from: the address (URL) or basic.auth.user.info (USER_INFO).",
)
.default("URL")
.recommended(&["URL", "USER_INFO"])
.group(GROUP);
const USER_INFO: Key<Secret> =
    Key::new("basic.auth.user.info", "User and password, as user:password.").group(GROUP);
const USER_INFO_ALIAS: Key<Secret> = Key::new(
    "schema.registry.basic.auth.user.info",
    "The older name of basic.auth.user.info.",
)
.importance(Importance::Low)
.group(GROUP);
const BEARER_SOURCE: Key<String> = Key::new(
    "bearer.auth.credentials.source",
    "Where the bearer token comes from: bearer.auth.token (STATIC_TOKEN).",
)
.recommended(&["STATIC_TOKEN"])
.group(GROUP);
const TOKEN: Key<Secret> = Key::new("bearer.auth.token", "The bearer token.").group(GROUP);
const PROXY_HOST: Key<String> =
    Key::new("proxy.host", "Host of an HTTP proxy in front of the registry.").group(GROUP);
const PROXY_PORT: Key<i32> = Key::new("proxy.port", "Port of the HTTP proxy.")
    .default("-1")
    .group(GROUP);
const HEADER: Key<Secret> = Key::new(
    "request.header.<name>",
    "A header added to each request to the registry.",
)
.importance(Importance::Low)
.group(GROUP);

pub(super) fn definitions() -> Vec<&'static Definition> {
    vec![
        URL.definition(),
        RANDOMIZE.definition(),
        BASIC_SOURCE.definition(),
        USER_INFO.definition(),
        USER_INFO_ALIAS.definition(),
        BEARER_SOURCE.definition(),
        TOKEN.definition(),
        HEADER.definition(),
        PROXY_HOST.definition(),
        PROXY_PORT.definition(),
        CONNECT_TIMEOUT.definition(),
        READ_TIMEOUT.definition(),
        RETRIES.definition(),
        RETRY_WAIT.definition(),
        RETRY_WAIT_MAX.definition(),
        SCHEMAS_MAX.definition(),
    ]
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<ClientSettings> {
    let urls = reader
        .get(&URL)
        .and_then(|text| match RegistryUrl::parse_list(&text) {
            Ok(urls) => Some(urls),
            Err(error) => {
                reader.error(URL.name(), error.to_string());
                None
            }
        });
    let randomize = reader.get(&RANDOMIZE);
    let (connect, read) = (reader.get(&CONNECT_TIMEOUT), reader.get(&READ_TIMEOUT));
    let (retries, schemas) = (reader.get(&RETRIES), reader.get(&SCHEMAS_MAX));
    let (wait, wait_max) = (reader.get(&RETRY_WAIT), reader.get(&RETRY_WAIT_MAX));
    let headers: Vec<_> = reader
        .prefixed("request.header.")
        .into_iter()
        .map(|(key, value)| (key["request.header.".len()..].to_owned(), Hidden::new(value)))
        .collect();
    let proxy = proxy(reader);
    let credentials = credentials(reader);
    let millis = |value: u32| Duration::from_millis(value.into());
    Some(ClientSettings {
        randomize: randomize?,
        credentials: credentials?,
        connect_timeout: millis(connect?),
        read_timeout: millis(read?),
        max_retries: retries?,
        retry_wait: millis(wait?),
        retry_wait_max: millis(wait_max?),
        headers,
        proxy: proxy?,
        schemas_per_subject_max: usize::try_from(schemas?).ok()?,
        ..ClientSettings::new(urls?)
    })
}

fn proxy(reader: &mut Reader<'_>) -> Option<Option<RegistryUrl>> {
    let (host, port) = (reader.find(&PROXY_HOST), reader.get(&PROXY_PORT));
    let Some(host) = host?.filter(|host| !host.is_empty()) else {
        return Some(None);
    };
    match u16::try_from(port?)
        .ok()
        .map(|port| RegistryUrl::parse(&format!("http://{host}:{port}")))
    {
        Some(Ok(url)) => Some(Some(url)),
        _ => {
            reader.error(
                PROXY_PORT.name(),
                "proxy.host and proxy.port do not form an address: set both, the port from 1 to 65535",
            );
            None
        }
    }
}

fn credentials(reader: &mut Reader<'_>) -> Option<Credentials> {
    let (basic, bearer) = (reader.get(&BASIC_SOURCE), reader.find(&BEARER_SOURCE));
    let (info, alias) = (reader.find(&USER_INFO), reader.find(&USER_INFO_ALIAS));
    let token = reader.find(&TOKEN);
    let (basic, bearer, info, token) = (basic?, bearer?, info?.or(alias?), token?);
    if let Some(source) = bearer.filter(|source| !source.is_empty()) {
        if source != "STATIC_TOKEN" {
            reader.error(
                BEARER_SOURCE.name(),
                format!("{source} is not built yet: use STATIC_TOKEN with bearer.auth.token"),
            );
            return None;
        }
        let Some(token) = token else {
            reader.error(
                TOKEN.name(),
                "bearer.auth.credentials.source=STATIC_TOKEN needs bearer.auth.token",
            );
            return None;
        };
        return Some(Credentials::Token(Hidden::new(token.reveal())));
    }
    match (basic.to_ascii_uppercase().as_str(), info) {
        ("URL", _) => Some(Credentials::Url),
        ("USER_INFO", Some(info)) => match Credentials::user_info(info.reveal()) {
            Ok(credentials) => Some(credentials),
            Err(error) => {
                reader.error(USER_INFO.name(), error.to_string());
                None
            }
        },
        ("USER_INFO", None) => {
            reader.error(
                USER_INFO.name(),
                "basic.auth.credentials.source=USER_INFO needs basic.auth.user.info",
            );
            None
        }
        (other, _) => {
            reader.error(
                BASIC_SOURCE.name(),
                format!("{other} is not built yet: use URL or USER_INFO"),
            );
            None
        }
    }
}
