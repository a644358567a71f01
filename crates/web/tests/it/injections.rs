//! Values that would mean something to a database, if they got there as anything but values: in every parameter of every
//! route. The parameters are read from the source of the handlers, so that a new one is tried as well.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::{Method, StatusCode};
use url::form_urlencoded::byte_serialize;
use web::router::{Kind, ROUTES, Route};

use crate::harness::{Answer, HUB, OWNER, changed, traffic};
use crate::tenants::{THEIR_MARK, Tenants, tenants};

/// Hostile values, after what tools try. None means anything to us. What sleeps would be cut off with a 503.
const HOSTILE: [&str; 31] = [
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "%",
    "_",
    "\0",
    "zzz\0",
    "' OR '1'='1",
    "' OR 1=1 --",
    "\" OR \"\"=\"",
    "') OR ('1'='1' --",
    "' UNION SELECT NULL --",
    "' UNION ALL SELECT NULL,NULL,NULL,version(),NULL --",
    "zzz'; DROP TABLE transactions; --",
    "zzz'; UPDATE portals SET state = 'disconnected'; --",
    "zzz'; SELECT pg_sleep(600); --",
    "zzz' || pg_sleep(600) || '",
    "zzz' AND 7231=(SELECT 7231 FROM pg_sleep(600)) AND 'a'='a",
    "zzz' AND ASCII(SUBSTR((SELECT current_user),1,1)) > 64 --",
    "zzz' AND CAST((SELECT version()) AS numeric) = 1 --",
    "zzz') ORDER BY 99 --",
    "zzz'; SET LOCAL app.hub_id = '1002'; --",
    "$1",
    "$$; DROP TABLE audit; $$",
    "{hub_id}",
    "%27%20OR%201%3D1",
    "zzz/**/OR/**/1=1",
    "zzz; COPY audit TO PROGRAM 'true'",
    "\u{2bc} OR \u{2bc}1\u{2bc}=\u{2bc}1",
];

/// Nothing is called that, nothing begins like that, and nothing is read from it.
const HARMLESS: &str = "zzz";
/// As harmless, and before any letter or digit.
const FIRST: &str = "%21";

/// What forms are read for without naming it in a struct.
const FORM_FIELDS: [&str; 9] = [
    "companies",
    "deal_label",
    "deals",
    "email_property",
    "emails",
    "kind",
    "phone",
    "several",
    "webhook_url",
];

/// The names of all fields that handlers read from addresses and forms.
fn names() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names: BTreeSet<String> = FORM_FIELDS.map(str::to_owned).into();
    for folder in ["handlers", "view"] {
        for entry in std::fs::read_dir(src.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "rs") {
                names.extend(read_fields(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    names
}

/// The fields of structs that are deserialized, as they are called outside.
fn read_fields(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_read = false;
    let mut in_camel_case = false;
    let mut renamed: Option<&str> = None;
    for line in source.lines() {
        if line.starts_with("#[derive(") {
            is_read = line.contains("Deserialize");
            in_camel_case = false;
        } else if line.starts_with('}') {
            is_read = false;
        } else if is_read && line.contains("rename_all = \"camelCase\"") {
            in_camel_case = true;
        } else if let Some((_, name)) = line.split_once("rename = \"") {
            renamed = name.split('"').next();
        } else if let (true, Some((field, _))) = (is_read, line.trim().split_once(": ")) {
            let field = field.trim_start_matches("pub ");
            let is_field = field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if is_field {
                let own = if in_camel_case {
                    camel(field)
                } else {
                    field.to_owned()
                };
                names.push(renamed.take().map_or(own, str::to_owned));
            }
        }
    }
    names
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(1);
        name + &head.to_uppercase() + tail
    })
}

#[test]
fn the_parameters_are_found_in_the_source() {
    let names = names();
    for name in [
        "q",
        "type",
        "after",
        "before",
        "who",
        "from",
        "setup",
        "returnUrl",
        "session",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

fn encoded(value: &str) -> String {
    byte_serialize(value.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

impl Tenants {
    /// The route's own address.
    fn address(&self, route: &Route) -> String {
        self.mine
            .put_into(route.path)
            .replace("{hub_id}", &HUB.to_string())
            .replace("{report}", "top-senders")
            .replace("{file}", &self.file)
    }

    async fn look(&mut self, route: &Route, address: &str) -> Answer {
        if matches!(route.kind, Kind::Download | Kind::SignIn) {
            // A session may download but so many files at once, a client sign in but so often.
            self.world.serve_app(self.world.app.clone(), traffic());
        }
        let cookie = format!("session={}", OWNER.0);
        let headers = [("cookie", cookie.as_str())];
        self.world.send(&Method::GET, address, &headers, "").await
    }
}

/// What an answer says, without what it repeats of the question.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Gist {
    status: StatusCode,
    leads_to: String,
    rows: usize,
    lines: usize,
}

fn gist(answer: &Answer) -> Gist {
    let leads_to = answer
        .header("location")
        .split('?')
        .next()
        .unwrap_or_default();
    Gist {
        status: answer.status,
        leads_to: leads_to.to_owned(),
        rows: answer.body.matches("<tr").count(),
        // A file's.
        lines: if answer.body.starts_with('<') {
            0
        } else {
            // Each file that is taken is a line more in the trail's own.
            let is_told = |line: &&str| !line.contains(".export");
            answer.body.lines().filter(is_told).count()
        },
    }
}

#[tokio::test]
async fn no_value_in_an_address_means_anything_to_the_database() {
    let mut tenants = tenants().await;
    let names = names();
    let before = tenants.world.digest().await;
    let mut live = Vec::new();
    for route in ROUTES.iter().filter(|route| route.method == Method::GET) {
        let plain = tenants.address(route);
        let without = gist(&tenants.look(route, &plain).await);
        for name in &names {
            let harmless = format!("{plain}?{name}={HARMLESS}");
            let harmless = gist(&tenants.look(route, &harmless).await);
            // A place in an order is before everything or behind it.
            let first = format!("{plain}?{name}={FIRST}");
            let first = gist(&tenants.look(route, &first).await);
            // A value that nothing looks at changes nothing; two hostile ones show that it is so.
            let is_live = harmless != without || first != without;
            let tried = if is_live {
                &HOSTILE[..]
            } else {
                &HOSTILE[8..10]
            };
            for hostile in tried {
                let address = format!("{plain}?{name}={}", encoded(hostile));
                let answer = tenants.look(route, &address).await;
                let found = gist(&answer);
                if [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&found.status) {
                    // It is told that this is no such value.
                    continue;
                }
                // A value without a letter or a digit is as good as none where words are looked for.
                assert!(
                    [&harmless, &first, &without].contains(&&found),
                    "{address} ({hostile:?}): {found:?} instead of {harmless:?} or {without:?}: {}",
                    answer.body
                );
                assert!(!answer.body.contains(THEIR_MARK), "{address}");
            }
            if is_live {
                live.push(format!("{} {name}", route.path));
            }
        }
    }
    // Otherwise the test would not reach what it is for.
    for known in [
        "/portals/{hub_id}/thnks q",
        "/portals/{hub_id}/thnks.csv q",
        "/portals/{hub_id}/audit who",
    ] {
        assert!(live.iter().any(|name| name == known), "{known}: {live:?}");
    }
    let left = changed(&before, &tenants.world.digest().await);
    let by_nature = ["audit", "chain_heads", "install_states"];
    let others: Vec<_> = left
        .iter()
        .filter(|table| !by_nature.contains(&table.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn no_part_of_an_address_means_anything_to_the_database() {
    let mut tenants = tenants().await;
    let csrf = tenants.world.csrf_token(OWNER.0).await;
    let body = format!("csrf_token={csrf}");
    let before = tenants.world.digest().await;
    let mut tried = 0;
    for route in ROUTES {
        let parts: Vec<&str> = route
            .path
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        for part in parts {
            let known = route.path.replace(part, "\n");
            let around = tenants.mine.put_into(&known);
            let around = around
                .replace("{hub_id}", &HUB.to_string())
                .replace("{report}", "top-senders");
            for hostile in HOSTILE {
                let address = around.replace('\n', &encoded(hostile));
                let answer = if route.method == Method::GET {
                    tenants.look(route, &address).await
                } else {
                    tenants.world.post(&address, OWNER.0, &[], &body).await
                };
                let status = answer.status;
                assert_eq!(status, StatusCode::NOT_FOUND, "{} {address}", route.method);
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
    assert_eq!(tenants.world.digest().await, before);
}

#[tokio::test]
async fn no_field_of_a_form_means_anything_to_the_database() {
    let tenants = tenants().await;
    let csrf = tenants.world.csrf_token(OWNER.0).await;
    let theirs = async || {
        let rows = tenants.world.digest().await;
        let of_others = rows.into_iter().filter(|((_, hub), _)| *hub != Some(HUB));
        of_others.collect::<Vec<_>>()
    };
    let before = theirs().await;
    let forms = ROUTES.iter().filter(|route| {
        // These two end the session or the connection, by right and whatever else the form says.
        let ends = route.path == "/logout" || route.path.ends_with("/disconnect");
        route.kind == Kind::Form && !ends
    });
    for route in forms {
        let address = tenants.address(route);
        for hostile in HOSTILE {
            let value = encoded(hostile);
            let mut fields = vec![format!("csrf_token={csrf}")];
            fields.extend(
                names()
                    .iter()
                    .filter(|name| *name != "everywhere" && *name != "remove")
                    .map(|name| format!("{name}={value}")),
            );
            let body = fields.join("&");
            let answer = tenants.world.post(&address, OWNER.0, &[], &body).await;
            let is_fine = answer.status.is_redirection()
                || answer.status.is_client_error()
                || answer.status == StatusCode::OK
                // Nobody answers for Thnks and HubSpot here.
                || answer.status == StatusCode::SERVICE_UNAVAILABLE;
            assert!(
                is_fine,
                "{address} {hostile:?}: {} {}",
                answer.status, answer.body
            );
            assert!(!answer.body.contains(THEIR_MARK), "{address}");
        }
    }
    assert_eq!(theirs().await, before);
}
