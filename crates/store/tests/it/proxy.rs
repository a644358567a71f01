//! A proxy before PostgreSQL that takes the portals' predicates out of statements as they are prepared: what row-level
//! security is worth by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::catalog::NOT_TENANT;

/// The statements that came by, each once.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Those whose predicates were taken out.
    pub stripped: BTreeSet<String>,
    /// Those that keep them, as they read or change a table without row-level security.
    pub exempt: BTreeSet<String>,
    /// Those that have none.
    pub without: BTreeSet<String>,
}

/// It lives as long as its runtime.
pub struct Proxy {
    /// The address to open instead.
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Proxy {
    pub async fn start(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(forward(from_client, to_server, Arc::clone(&noted)));
                tokio::spawn(async move {
                    // Ends with either side.
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
            }
        });
        let options = options.host("127.0.0.1").port(own_port);
        Self {
            url: options.to_url_lossy().to_string(),
            seen,
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

/// Forwards what a client says, message by message.
async fn forward(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, seen: Arc<Mutex<Seen>>) {
    let mut read = Vec::new();
    // The first message has no letter before its length.
    let mut letter = 0;
    while client
        .read_buf(&mut read)
        .await
        .is_ok_and(|bytes| bytes > 0)
    {
        let mut written = Vec::new();
        while let Some(length) = read.get(letter..letter + 4) {
            let length = u32::from_be_bytes(length.try_into().unwrap());
            let end = letter + usize::try_from(length).unwrap();
            if read.len() < end {
                break;
            }
            let message: Vec<u8> = read.drain(..end).collect();
            if letter == 1 && message[0] == b'P' {
                written.extend(prepared(&message[5..], &seen));
            } else {
                written.extend(message);
            }
            letter = 1;
        }
        if server.write_all(&written).await.is_err() {
            return;
        }
    }
}

/// The message `Parse` (name, statement, types of parameters) without the predicates.
fn prepared(body: &[u8], seen: &Mutex<Seen>) -> Vec<u8> {
    let mut parts = body.splitn(3, |byte| *byte == 0);
    let (name, statement, rest) = (parts.next(), parts.next(), parts.next());
    let statement = std::str::from_utf8(statement.unwrap()).unwrap();
    let statement = without_predicates(statement, &mut seen.lock().unwrap());
    let body = [name.unwrap(), statement.as_bytes(), rest.unwrap()].join(&0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&b"P"[..], &length.to_be_bytes(), &body].concat()
}

fn without_predicates(statement: &str, seen: &mut Seen) -> String {
    let stripped = strip(statement);
    if stripped == statement {
        seen.without.insert(stripped.clone());
        return stripped;
    }
    if NOT_TENANT.iter().any(|(table, _)| uses(statement, table)) {
        seen.exempt.insert(statement.to_owned());
        return statement.to_owned();
    }
    assert!(!stripped.contains("hub_id ="), "{stripped}");
    seen.stripped.insert(statement.to_owned());
    stripped
}

/// Whether a statement's predicates may be about this table. One that is only inserted into has none, and one that is joined
/// by `USING` takes over the other's.
fn uses(statement: &str, table: &str) -> bool {
    ["FROM", "UPDATE", "USING"].iter().any(|word| {
        let text = format!("{word} {table}");
        let mut found = statement.match_indices(&text);
        found.any(|(at, _)| {
            let next = statement[at + text.len()..].chars().next();
            !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
        })
    })
}

/// The text without what compares portals: `hub_id = $1`, also with a table's name before it, keeps its parameter, so that
/// numbers hold; `a.hub_id = b.hub_id` and the column of a join are gone.
pub fn strip(statement: &str) -> String {
    const COLUMN: &str = "hub_id = ";
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    let (mut done, mut rest) = (String::new(), statement);
    while let Some(at) = rest.find(COLUMN) {
        let (before, value) = (&rest[..at], &rest[at + COLUMN.len()..]);
        done.push_str(before.trim_end_matches(is_name));
        let end = value
            .find(|letter| !is_name(letter) && letter != '$')
            .unwrap_or(value.len());
        let (compared, after) = value.split_at(end);
        if compared.starts_with('$') {
            done.push('(');
            done.push_str(compared);
            done.push_str("::bigint IS NOT NULL)");
        } else {
            // A function's parameter, or another table's column.
            let is_known = compared == "portal" || compared.ends_with("hub_id");
            assert!(is_known, "{statement}");
            done.push_str("true");
        }
        rest = after;
    }
    done.push_str(rest);
    done.replace("USING (hub_id, ", "USING (")
}

#[test]
fn predicates_are_taken_out_and_parameters_stay() {
    for (statement, stripped) in [
        (
            "SELECT 1 FROM runs WHERE hub_id = $1 AND run_id = $2",
            "SELECT 1 FROM runs WHERE ($1::bigint IS NOT NULL) AND run_id = $2",
        ),
        (
            "FROM a JOIN b ON b.hub_id = a.hub_id AND b.n = a.n WHERE (a.hub_id = $12)",
            "FROM a JOIN b ON true AND b.n = a.n WHERE (($12::bigint IS NOT NULL))",
        ),
        (
            "FROM a JOIN b USING (hub_id, n) LEFT JOIN c USING (hub_id)",
            "FROM a JOIN b USING (n) LEFT JOIN c USING (hub_id)",
        ),
        (
            "INSERT INTO a (hub_id, n) VALUES ($1, $2) ON CONFLICT (hub_id) DO NOTHING",
            "INSERT INTO a (hub_id, n) VALUES ($1, $2) ON CONFLICT (hub_id) DO NOTHING",
        ),
    ] {
        assert_eq!(strip(statement), stripped);
    }
}
