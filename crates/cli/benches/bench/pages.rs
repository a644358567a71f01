//! The admin's pages on a portal with a million gifts, fifty requests at once: how soon they are answered, how many a
//! second, and the web process's memory. The gifts are written as the engine leaves them; everything else is the product's.

use std::time::{Duration, Instant};

use app::PortalScope;
use chrono::{DateTime, TimeDelta, Utc};
use domain::status::StatusEntry;
use domain::transaction::{DeliveryType, Person};
use domain::{HubId, Transaction, TransactionId, UserId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sandbox::WorldSpec;
use secrecy::SecretString;
use store::testing::ScratchDatabase;
use tokio::task::JoinSet;

use crate::figures::{Figures, Limit, count, percentile};
use crate::portals;
use crate::processes::Stage;
use crate::say;

const GIFTS: usize = 1_000_000;
const HUB: HubId = HubId(7_000_001);
const AT_ONCE: usize = 50;
/// Requests of each kind of page.
const REQUESTS: usize = 8_000;
/// Requests of each kind before it is measured.
const WARM_UP: usize = 1_000;
/// Gifts that are written at a time.
const WRITE: usize = 2_000;
/// The limits of 99 in 100 answers: 50, 100 and 30 ms on a machine that answers `/healthz` within 0.83 ms in the median, under
/// the same load. So many times as long as that, before and after, the answers may take on any machine.
const DASHBOARD: f64 = 60.0;
const LIST: f64 = 120.0;
const GIFT: f64 = 36.0;
/// The limit of a page with all its parts over the wire, in bytes.
const WIRE_BYTES: f64 = 100_000.0;

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let gifts = arguments
        .first()
        .map_or(GIFTS, |text| text.parse().expect("a number of gifts"));
    let now = sandbox::machine_clock()();
    let kept = format!("pages_{gifts}_{}", now.format("%Y%m%d"));
    let scratch = if let Some(scratch) = ScratchDatabase::of_kept(&kept).await {
        scratch
    } else {
        seed(gifts, now).await.keep_as(&kept).await;
        let scratch = ScratchDatabase::of_kept(&kept).await;
        scratch.expect("it was just kept")
    };
    let stage = Stage::on(scratch, WorldSpec::empty(now)).await;
    let app = portals::app(&stage, Duration::from_hours(1));
    // One visitor each: they share no session.
    let mut visitors = Vec::new();
    for _ in 0..AT_ONCE {
        let token = app::testing::sign_in(&app, HUB, UserId(1)).await.unwrap();
        visitors.push(client(&token));
    }
    let http = &visitors[0];
    let some_ids: Vec<String> = (0..gifts).step_by(199).map(id).collect();

    let base = format!("{}/portals/{HUB}", stage.public_url());
    let wire = wire(http, &stage.public_url(), &base).await;
    figures.head(&format!("pages, {gifts} gifts, {AT_ONCE} requests at once"));
    let day = |days| (now - TimeDelta::days(days)).date_naive();
    let dashboards: Vec<String> = [
        String::new(),
        format!("?from={}", day(6)),
        format!("?from={}", day(29)),
        format!("?from={}", day(89)),
        format!("?from={}", day(364)),
        format!("?from={}&to={}", day(500), day(200)),
    ]
    .map(|query| format!("{base}{query}"))
    .into();
    // What load and server cost each other when there is nothing to do.
    let nothing = [format!("{}/healthz", stage.public_url())];
    let before = measure(figures, &visitors, "/healthz", &nothing).await;
    let dashboard = measure(figures, &visitors, "dashboard", &dashboards).await;
    let lists: Vec<String> = lists(now)
        .into_iter()
        .map(|query| format!("{base}/thnks{query}"))
        .collect();
    let list = measure(figures, &visitors, "list, any filter", &lists).await;
    let ones: Vec<String> = some_ids
        .iter()
        .map(|id| format!("{base}/thnks/{id}"))
        .collect();
    let gift = measure(figures, &visitors, "one gift", &ones).await;
    let after = measure(figures, &visitors, "/healthz once more", &nothing).await;
    let pace = f64::midpoint(before.p50, after.p50);
    for (name, took, limit) in [
        ("dashboard", dashboard, DASHBOARD),
        ("list, any filter", list, LIST),
        ("one gift", gift, GIFT),
    ] {
        figures.show(
            &format!("{name}, p99 against /healthz"),
            took.p99 / pace,
            Limit::AtMost(limit),
            &format!("{:.2} ms against {pace:.2} ms, the median", took.p99),
        );
    }
    let (pages, slowest) = walk(http, &stage.public_url()).await;
    figures.show(
        "pages that answer, each once",
        count(pages),
        Limit::None,
        &slowest,
    );
    figures.show(
        "dashboard with all its parts, bytes",
        count(wire),
        Limit::AtMost(WIRE_BYTES),
        "compressed, first visit",
    );
    figures.show(
        "web’s memory at most, kB",
        count(peak_kb(&stage)),
        Limit::None,
        "VmHWM",
    );
    app.close().await;
}

/// A database with one portal and its gifts, as the engine leaves them.
async fn seed(gifts: usize, now: DateTime<Utc>) -> ScratchDatabase {
    let stage = Stage::with(WorldSpec::empty(now)).await;
    let app = portals::app(&stage, Duration::from_hours(1));
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    app::testing::insert_idle_portal(&app, HUB, &key)
        .await
        .unwrap();
    app::testing::plan_syncs(&app, &[HUB]).await.unwrap();
    say(&format!("writing {gifts} gifts …"));
    let mut random = StdRng::seed_from_u64(20_261_126);
    let mut written = 0;
    while written < gifts {
        let page: Vec<Transaction> = (written..gifts.min(written + WRITE))
            .map(|n| gift(n, now, &mut random))
            .collect();
        app::testing::store_gifts(&app, HUB, &page).await.unwrap();
        written += page.len();
    }
    app.close().await;
    say("bringing them to HubSpot, in a manner of speaking …");
    let scope = PortalScope::from_grant(HUB);
    stage.scratch.settle(scope, 14, 997).await;
    let Stage { scratch, web, .. } = stage;
    // Nobody may be connected to a database that is to be copied.
    web.expect("web runs").terminate();
    scratch
}

fn id(n: usize) -> String {
    format!("txn_{n:012}")
}

/// Asks for every page of the portal once; how many there are, and which took longest. One that fails ends the bench.
async fn walk(http: &reqwest::Client, origin: &str) -> (usize, String) {
    let mut took = Vec::new();
    let pages = web::router::ROUTES.iter().filter(|route| {
        route.method.as_str() == "GET"
            && route.kind == web::router::Kind::Page
            && route.path.contains("{hub_id}")
            // There is no run here.
            && !route.path.contains("{run_id}")
    });
    for route in pages {
        let path = route
            .path
            .replace("{hub_id}", &HUB.to_string())
            .replace("{transaction_id}", &id(7))
            .replace("{report}", "top-senders");
        let (ms, _) = ask(http, &format!("{origin}{path}")).await;
        took.push((ms, route.path));
    }
    took.sort_by(|a, b| b.0.total_cmp(&a.0));
    let slowest = took.first().map_or_else(String::new, |(ms, path)| {
        format!("at most {ms:.0} ms: {path}")
    });
    (took.len(), slowest)
}

/// The largest memory of the web process so far; 0 where the system does not tell.
fn peak_kb(stage: &Stage) -> u32 {
    let web = stage.web.as_ref().expect("web runs").id();
    let status = std::fs::read_to_string(format!("/proc/{web}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

/// Addresses of the list: every filter and order, alone and together, pages in the middle included.
fn lists(now: DateTime<Utc>) -> Vec<String> {
    let day = |days| (now - TimeDelta::days(days)).date_naive();
    let mut queries: Vec<String> = [
        "",
        "?sort=oldest",
        "?sort=highest",
        "?sort=lowest",
        "?status=opened",
        "?status=donated",
        "?status=reached-redeemed",
        "?status=reached-sent&sort=highest",
        "?type=Coffee",
        "?type=Books&status=expired",
        "?contact=orphan",
        "?contact=linked",
        "?sync=failed",
        "?sender=sender7%40acme.example",
        "?sender=sender7%40acme.example&status=redeemed&sort=highest",
        "?currency=JPY",
        "?currency=EUR&min=20&max=30",
        "?min=49&sort=lowest",
        "?q=person4242%40client4242.example",
        "?q=okafor+sam",
        "?q=delacroix",
        "?q=sender42",
        "?q=txn_000000500000",
        "?q=nobody+at+all",
        "?q=quill&status=delivered",
    ]
    .map(str::to_owned)
    .into();
    queries.push(format!("?from={}&to={}", day(60), day(30)));
    queries.push(format!("?from={}&status=redeemed&type=Lunch", day(365)));
    queries.push("?after=txn_000000500000".to_owned());
    queries.push("?before=txn_000000500000&status=redeemed".to_owned());
    queries
}

async fn measure(
    figures: &mut Figures,
    visitors: &[reqwest::Client],
    name: &str,
    addresses: &[String],
) -> Took {
    // As a service that has run for a while: connections are there, and so is what they remember.
    visit(visitors, addresses, WARM_UP).await;
    let http = &visitors[0];
    let mut by_address: Vec<(f64, &str)> = Vec::new();
    for address in addresses.iter().take(40) {
        by_address.push((ask(http, address).await.0, address));
    }
    by_address.sort_by(|a, b| b.0.total_cmp(&a.0));
    let began = Instant::now();
    let mut took = visit(visitors, addresses, REQUESTS).await;
    let secs = began.elapsed().as_secs_f64();
    let per_second = count(took.len()) / secs;
    let slowest: Vec<String> = by_address
        .iter()
        .take(3)
        .map(|(ms, address)| {
            let (_, query) = address.rsplit_once('/').unwrap_or_default();
            format!("{ms:.1} {query}")
        })
        .collect();
    let slowest = format!("alone at most {}", slowest.join(", "));
    let of_all = Took {
        p50: percentile(&mut took, 50),
        p99: percentile(&mut took, 99),
    };
    figures.show(
        &format!("{name}, p50, ms"),
        of_all.p50,
        Limit::None,
        &slowest,
    );
    figures.show(
        &format!("{name}, p99, ms"),
        of_all.p99,
        Limit::None,
        &format!("of {}, {per_second:.0} a second", took.len()),
    );
    of_all
}

/// How long answers took, in milliseconds.
#[derive(Clone, Copy)]
struct Took {
    p50: f64,
    p99: f64,
}

/// Milliseconds of so many requests, the visitors' all together; each asks again as soon as it is answered.
async fn visit(visitors: &[reqwest::Client], addresses: &[String], requests: usize) -> Vec<f64> {
    let mut visits = JoinSet::new();
    for (visitor, http) in visitors.iter().enumerate() {
        let (http, addresses) = (http.clone(), addresses.to_vec());
        visits.spawn(async move {
            let mut took = Vec::new();
            for n in 0..requests / AT_ONCE {
                let address = &addresses[(visitor * 31 + n * 7) % addresses.len()];
                took.push(ask(&http, address).await.0);
            }
            took
        });
    }
    visits.join_all().await.into_iter().flatten().collect()
}

/// Milliseconds and compressed bytes of an answer.
async fn ask(http: &reqwest::Client, address: &str) -> (f64, usize) {
    let began = Instant::now();
    let answer = http
        .get(address)
        .header("accept-encoding", "gzip, br")
        .send()
        .await
        .unwrap();
    assert!(
        answer.status().is_success(),
        "{address}: {}",
        answer.status()
    );
    let bytes = answer.bytes().await.unwrap().len();
    (began.elapsed().as_secs_f64() * 1_000.0, bytes)
}

/// Bytes of the dashboard with its style, scripts and icon.
async fn wire(http: &reqwest::Client, origin: &str, dashboard: &str) -> usize {
    let page = http
        .get(dashboard)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let (_, mut bytes) = ask(http, dashboard).await;
    let mut parts: Vec<&str> = page
        .split(['"', '\''])
        .filter(|part| part.starts_with("/static/"))
        .collect();
    parts.sort_unstable();
    parts.dedup();
    for part in parts {
        bytes += ask(http, &format!("{origin}{part}")).await.1;
    }
    bytes
}

fn client(token: &str) -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    let cookie = format!("session={token}").parse().unwrap();
    headers.insert(reqwest::header::COOKIE, cookie);
    reqwest::Client::builder()
        .no_gzip()
        .no_brotli()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

const FIRST: [&str; 12] = [
    "Sam", "Dana", "Ines", "Tomás", "Mei", "Ola", "Ravi", "Zoë", "Kofi", "Léa", "Noor", "Ben",
];
const LAST: [&str; 12] = [
    "Okafor",
    "Reyes",
    "Delacroix",
    "Nuñez",
    "Tanaka",
    "Quill",
    "Iyer",
    "Berg",
    "Mensah",
    "Roux",
    "Haddad",
    "Stone",
];
const TYPES: [&str; 10] = [
    "Coffee", "Lunch", "Dinner", "Books", "Flowers", "Donation", "Wine", "Movie", "Spa", "Ride",
];

/// The `n`th gift: over three years, of 300 people to 200,000.
fn gift(n: usize, now: DateTime<Utc>, random: &mut StdRng) -> Transaction {
    let sent = now - TimeDelta::seconds(random.random_range(0..3 * 365 * 86_400));
    let to = random.random_range(0..200_000_usize);
    let by = random.random_range(0..300);
    let mut history = vec![StatusEntry {
        status: "sent".into(),
        at: sent,
    }];
    let mut at = sent;
    let story: &[&str] = match random.random_range(0..100) {
        0..43 => &["delivered", "opened", "redeemed"],
        43..60 => &["delivered", "opened"],
        60..75 => &["delivered"],
        75..90 => &["delivered", "expired", "refunded"],
        90..97 => &["delivered", "expired"],
        97..99 => &["expired", "refunded"],
        _ => &["delivered", "opened", "donated"],
    };
    for status in story {
        at += TimeDelta::seconds(random.random_range(2..400_000));
        history.push(StatusEntry {
            status: (*status).into(),
            at,
        });
    }
    let currency = match random.random_range(0..100) {
        0..70 => "USD",
        70..90 => "EUR",
        90..97 => "GBP",
        _ => "JPY",
    };
    let cents = random.random_range(3..50) * 100;
    let gift_type = *TYPES.choose(random).unwrap();
    Transaction {
        id: TransactionId(id(n)),
        gift_name: Some(format!("{gift_type} on us")),
        gift_type: Some(gift_type.to_owned()),
        amount: Some(rust_decimal::Decimal::new(cents, 2)),
        currency: Some(currency.to_owned()),
        message: Some("Thank you for your time last week, it was a pleasure.".to_owned()),
        tracking_url: Some(format!("https://app.thnks.example/t/{n}")),
        delivery_type: Some(DeliveryType::Email),
        sender: Person {
            name: Some(format!("{} Sender{by}", FIRST[by % 12])),
            email: Some(format!("sender{by}@acme.example")),
            phone: None,
        },
        recipient: Person {
            name: Some(format!("{} {}", FIRST[to % 12], LAST[to / 12 % 12])),
            email: Some(format!("person{to}@client{to}.example")),
            phone: None,
        },
        reported_status: history.last().unwrap().status.clone(),
        created_at: sent,
        updated_at: at,
        history,
    }
}
