use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use url::{Host, Position};

use super::*;

/// So many addresses at least; the environment's `PROPTEST_CASES` may ask for more.
const CASES: u32 = 100_000;

fn hubspot() -> Url {
    "https://app.hubspot.com/oauth/authorize".parse().unwrap()
}

fn sandbox() -> Url {
    "http://127.0.0.1:4010/oauth/authorize".parse().unwrap()
}

const GOOD: [&str; 9] = [
    "https://app.hubspot.com",
    "https://app.hubspot.com/",
    "https://app-eu1.hubspot.com/integrations-settings/48151623/installed",
    "https://app-na2.hubspot.com/l/x?next=%2Fapps&a=b#top",
    "https://app-ap1.hubspot.com?x",
    "https://app-9.hubspot.com#x",
    // What stands behind the host is HubSpot's own business.
    "https://app.hubspot.com/https://evil.example/",
    "https://app.hubspot.com//evil.example/@x",
    "https://app.hubspot.com/?returnUrl=https://evil.example/",
];

#[test]
fn hubspots_own_pages_are_taken_as_they_are() {
    for text in GOOD {
        let url = ReturnUrl::parse(text, &hubspot()).unwrap().into_url();
        assert!(text.starts_with(&url[..Position::BeforePath]), "{text}");
        assert!(text.ends_with(&url[Position::AfterPath..]), "{text}");
    }
}

#[test]
fn the_sandbox_is_taken_where_the_operator_has_named_it_and_nowhere_else() {
    let text = "http://127.0.0.1:4010/marketplace/return?install=1";
    assert!(ReturnUrl::parse(text, &sandbox()).is_ok());
    assert!(ReturnUrl::parse("https://app.hubspot.com/", &sandbox()).is_ok());
    assert!(ReturnUrl::parse(text, &hubspot()).is_err());
    for text in [
        "https://127.0.0.1:4010/",
        "http://127.0.0.1/",
        "http://127.0.0.1:4011/",
        "http://127.0.0.1:40100/",
        "http://127.0.0.1:4010.evil.example/",
        "http://127.0.0.1:4010@evil.example/",
        "http://user@127.0.0.1:4010/",
        "http://localhost:4010/",
        "http://127.1:4010/",
        "http://0x7f000001:4010/",
        "http://127.0.0.1:04010/",
    ] {
        assert!(ReturnUrl::parse(text, &sandbox()).is_err(), "{text}");
    }
    // A consent page of no origin names none.
    let nowhere: Url = "data:text/html,x".parse().unwrap();
    for text in ["null", "null://", "data:text/html,x", "://", ""] {
        assert!(ReturnUrl::parse(text, &nowhere).is_err(), "{text}");
    }
}

#[test]
fn our_state_is_the_only_one() {
    let with = |text: &str| {
        let url = ReturnUrl::parse(text, &hubspot()).unwrap();
        url.with_state("s-1&x").to_string()
    };
    assert_eq!(
        with("https://app.hubspot.com/a"),
        "https://app.hubspot.com/a?state=s-1%26x"
    );
    assert_eq!(
        with("https://app.hubspot.com/a?b=%7B1%7D#c"),
        "https://app.hubspot.com/a?b=%7B1%7D&state=s-1%26x#c"
    );
    assert_eq!(
        with("https://app.hubspot.com/a?state=theirs&b=1&st%61te=2"),
        "https://app.hubspot.com/a?b=1&state=s-1%26x"
    );
}

/// Addresses that must not be taken, by family.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |family: &[&str]| all.extend(family.iter().map(|&text| text.to_owned()));
    // Other schemes, and what looks like one.
    add(&[
        "",
        "/",
        "app.hubspot.com",
        "//app.hubspot.com/",
        "///app.hubspot.com/",
        "/app.hubspot.com",
        "http://app.hubspot.com/",
        "ftp://app.hubspot.com/",
        "ws://app.hubspot.com/",
        "wss://app.hubspot.com/",
        "file://app.hubspot.com/",
        "javascript:alert(1)",
        "javascript://app.hubspot.com/%0aalert(1)",
        "data:text/html,https://app.hubspot.com/",
        "blob:https://app.hubspot.com/1",
        "view-source:https://app.hubspot.com/",
        "about:blank",
        "mailto:a@app.hubspot.com",
        "vbscript:https://app.hubspot.com/",
        "https:app.hubspot.com/",
        "https:/app.hubspot.com/",
        "https:///app.hubspot.com/",
        "https:////app.hubspot.com/",
        "https//app.hubspot.com/",
        "https::/app.hubspot.com/",
        "https:///",
        "https://",
        "https:",
        "httpss://app.hubspot.com/",
        "xhttps://app.hubspot.com/",
        "HTTPS://app.hubspot.com/",
        "Https://app.hubspot.com/",
        "https+x://app.hubspot.com/",
        "https://https://app.hubspot.com/",
        "https:https://app.hubspot.com/",
        "url=https://app.hubspot.com/",
        "../https://app.hubspot.com/",
        "?https://app.hubspot.com/",
        "#https://app.hubspot.com/",
    ]);
    // Somebody in front of the host, or the host as somebody.
    for user in [
        "",
        ":",
        "user",
        "user:",
        ":pw",
        "user:pw",
        "app.hubspot.com",
        "%61",
        "a%40b",
        "@",
        "a@b",
    ] {
        add(&[
            &format!("https://{user}@app.hubspot.com/"),
            &format!("https://{user}@evil.example/"),
        ]);
    }
    add(&[
        "https://app.hubspot.com:x@evil.example/",
        "https://app.hubspot.com%40evil.example/",
        "https://app.hubspot.com%2F@evil.example/",
        "https://app.hubspot.com@evil.example/app.hubspot.com",
        "https://app.hubspot.com;@evil.example/",
        "https://app.hubspot.com,@evil.example",
    ]);
    // Ports, the default one too.
    for port in [
        "",
        "0",
        "1",
        "80",
        "443",
        "0443",
        "4433",
        "8443",
        "65535",
        "65536",
        "x",
        "-1",
        "443@evil.example",
        " 443",
    ] {
        add(&[&format!("https://app.hubspot.com:{port}/")]);
    }
    // Other hosts that begin, end or smell like it.
    for host in [
        "evil.example",
        "hubspot.com",
        "www.hubspot.com",
        "api.hubspot.com",
        "api.hubapi.com",
        "app.hubapi.com",
        "app.hubspot.com.evil.example",
        "app.hubspot.com.",
        "app.hubspot.com..",
        ".app.hubspot.com",
        "..app.hubspot.com",
        "app..hubspot.com",
        "app.hubspot..com",
        "x.app.hubspot.com",
        "evil.example.app.hubspot.com",
        "xapp.hubspot.com",
        "appx.hubspot.com",
        "app1.hubspot.com",
        "apphubspot.com",
        "app-hubspot.com",
        "app.hubspotx.com",
        "app.xhubspot.com",
        "app.hubspot.comx",
        "app.hubspot.com.com",
        "app.hubspot.co",
        "app.hubspot.cm",
        "app.hubspot.org",
        "app.hub-spot.com",
        "app.hubspot",
        "app",
        "app.hubsp0t.com",
        "app.hubspoʇ.com",
        "local.hubspot.com",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "app-.hubspot.com",
        "app--.hubspot.com",
        "app-eu1-.hubspot.com",
        "app--eu1.hubspot.com",
        "app-eu-1.hubspot.com",
        "app-eu_1.hubspot.com",
        "app-eu1.hubspot.com.",
        "app-eu1.evil.example",
        "app-eu1.hubspot.com.evil.example",
        "app-eu1.x.hubspot.com",
        "app-eu1..hubspot.com",
        "x-app-eu1.hubspot.com",
        "app_eu1.hubspot.com",
        "app-xn--eu1-.hubspot.com",
        "xn--app-eu1.hubspot.com",
        "app-eu1hubspot.com",
        "app-eu1.hubspot.com-evil.example",
        "app-eu1.hubspot.com:443",
        "app.hubspot.com*evil.example",
        "*.hubspot.com",
        "app-*.hubspot.com",
        "app-$.hubspot.com",
        "app-(x).hubspot.com",
        "app-e,u.hubspot.com",
        "app-e;u.hubspot.com",
        "app-e+u.hubspot.com",
        "app-e!u.hubspot.com",
        "app-e'u.hubspot.com",
        "APP.HUBSPOT.COM",
        "App.hubspot.com",
        "app.HubSpot.com",
        "app-EU1.hubspot.com",
    ] {
        add(&[&format!("https://{host}/"), &format!("https://{host}")]);
    }
    // Bytes that parsers drop, turn or take for an end.
    for odd in [
        '\0', '\u{1}', '\u{8}', '\t', '\n', '\u{b}', '\u{c}', '\r', '\u{1b}', '\u{1f}', ' ',
        '\u{7f}', '\u{80}', '\u{85}', '\u{a0}', '\u{ad}', '\u{200b}', '\u{200d}', '\u{200e}',
        '\u{202e}', '\u{2028}', '\u{2060}', '\u{3000}', '\u{feff}', '\u{fffd}', '\\',
    ] {
        add(&[
            &format!("{odd}https://app.hubspot.com/"),
            &format!("https:{odd}//app.hubspot.com/"),
            &format!("https://{odd}app.hubspot.com/"),
            &format!("https://app{odd}.hubspot.com/"),
            &format!("https://app.hubspot.com{odd}/"),
            &format!("https://app.hubspot.com{odd}.evil.example/"),
            &format!("https://app.hubspot.com/{odd}x"),
            &format!("https://app.hubspot.com/{odd}"),
        ]);
    }
    add(&[
        r"https:\\app.hubspot.com\",
        r"https://evil.example\app.hubspot.com/",
        r"https://evil.example\@app.hubspot.com/",
        r"https://app.hubspot.com\@evil.example/",
        r"https:/\app.hubspot.com/",
        r"\\app.hubspot.com/",
        "https://app.hubspot.com/\r\nLocation: https://evil.example/",
        "https://app.hubspot.com/\r\nSet-Cookie: session=x",
    ]);
    // Escapes where none belong.
    for host in [
        "app%2ehubspot.com",
        "app%2Ehubspot%2Ecom",
        "%61pp.hubspot.com",
        "app.hubspot%2ecom",
        "app.hubspot.com%2e",
        "app.hubspot.com%2eevil.example",
        "app.hubspot.com%2fevil.example",
        "app.hubspot.com%5cevil.example",
        "app.hubspot.com%00.evil.example",
        "app.hubspot.com%00",
        "app.hubspot.com%0d%0a",
        "app.hubspot.com%20",
        "app.hubspot.com%09",
        "app.hubspot.com%23@evil.example",
        "app.hubspot.com%3f.evil.example",
        "app.hubspot.com%3a443",
        "app.hubspot.com%",
        "app%252ehubspot.com",
        "app-%65u1.hubspot.com",
        "app%2deu1.hubspot.com",
        "ev%69l.example",
    ] {
        add(&[&format!("https://{host}/")]);
    }
    add(&[
        "https%3a//app.hubspot.com/",
        "https:%2f%2fapp.hubspot.com/",
        "https%3A%2F%2Fapp.hubspot.com%2F",
        "%68ttps://app.hubspot.com/",
    ]);
    // Letters that look alike, or become one of ours by IDNA.
    for host in [
        "ａpp.hubspot.com",
        "аpp.hubspot.com",
        "aрp.hubspot.com",
        "app.hubspоt.com",
        "app.hubspοt.com",
        "app.һubspot.com",
        "app.hubѕpot.com",
        "app.hubspot.ⅽom",
        "app.hubspot.сom",
        "app。hubspot.com",
        "app．hubspot．com",
        "app｡hubspot｡com",
        "app.hubspot。com",
        "ⓐⓟⓟ.hubspot.com",
        "𝐚𝐩𝐩.hubspot.com",
        "app.hub\u{17f}pot.com",
        "app.hub\u{ad}spot.com",
        "app.hubspot.com／evil.example",
        "app.hubspot.com？.evil.example",
        "app.hubspot.com＃.evil.example",
        "app.hubspot.com＠evil.example",
        "app.hubspot.com：443",
        "app-éu1.hubspot.com",
        "app-eu１.hubspot.com",
        "app-еu1.hubspot.com",
        "app‐eu1.hubspot.com",
        "app–eu1.hubspot.com",
        "xn--pp-8ka.hubspot.com",
        "app.xn--hubspt-fya.com",
        "app.hubspot.xn--om-zmc",
        "xn--80ak6aa92e.com",
    ] {
        add(&[&format!("https://{host}/")]);
    }
    // An allowed address inside another one.
    add(&[
        "https://evil.example/https://app.hubspot.com/",
        "https://evil.example?https://app.hubspot.com/",
        "https://evil.example#https://app.hubspot.com/",
        "https://evil.example/?returnUrl=https://app.hubspot.com/",
        "https://evil.example/app.hubspot.com",
        "https://evil.example?app.hubspot.com",
        "https://evil.example#app.hubspot.com",
        "https://evil.example;app.hubspot.com/",
        "https://evil.example,app.hubspot.com/",
        "https://evil.example&app.hubspot.com/",
        "https://evil.example://app.hubspot.com/",
        "https://[app.hubspot.com]/",
        "https://<app.hubspot.com>/",
        "https://\"app.hubspot.com\"/",
        "https://app.hubspot.com|evil.example/",
        "https://app.hubspot.com^evil.example/",
        "https://app.hubspot.com`evil.example/",
        "https://{app.hubspot.com}/",
        "https://app.hubspot.com&evil.example/",
        "https://app.hubspot.com;evil.example/",
        "https://?app.hubspot.com/",
        "https://#app.hubspot.com/",
        "https://?@app.hubspot.com/",
        "https://#@app.hubspot.com/",
    ]);
    all.push(format!("https://app.hubspot.com/{}", "x".repeat(LONGEST)));
    all
}

#[test]
fn none_of_the_hostile_addresses_is_taken() {
    let hostile = hostile();
    let distinct: BTreeSet<&String> = hostile.iter().collect();
    assert!(distinct.len() >= 500, "only {}", distinct.len());
    for text in distinct {
        for authorize_url in [hubspot(), sandbox()] {
            let taken = ReturnUrl::parse(text, &authorize_url);
            assert_eq!(taken, Err(NotHubSpots), "{text:?}");
        }
    }
}

/// What we ought to say, from the other end: the address as browsers parse it, and nothing in the text that the parser has
/// mended.
fn is_right(text: &str, authorize_url: &Url) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_nobodys = url[Position::BeforeUsername..Position::BeforeHost].is_empty();
    let is_hubspots = url.scheme() == "https"
        && url.port().is_none()
        && matches!(url.host(), Some(Host::Domain(name)) if is_page(name));
    let is_sandboxs = url.scheme() == authorize_url.scheme()
        && url.host() == authorize_url.host()
        && url.port_or_known_default() == authorize_url.port_or_known_default();
    let front = &url[..Position::BeforePath];
    let is_as_written = text
        .strip_prefix(front)
        .is_some_and(|rest| rest.chars().next().is_none_or(|next| "/?#".contains(next)))
        && text
            .chars()
            .all(|letter| ('!'..='~').contains(&letter) && letter != '\\');
    is_nobodys && is_as_written && (is_hubspots || is_sandboxs) && text.len() <= LONGEST
}

fn is_page(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let [first, "hubspot", "com"] = labels[..] else {
        return false;
    };
    let parts: Vec<&str> = first.split('-').collect();
    match parts[..] {
        ["app"] => true,
        ["app", region] => {
            !region.is_empty() && region.chars().all(|letter| letter.is_ascii_alphanumeric())
        }
        _ => false,
    }
}

/// Addresses around the border: put together from pieces of good and bad ones, then with a few letters changed.
fn address() -> impl Strategy<Value = String> {
    let pick = |weight: u32, usual: &'static [&'static str], odd: &'static [&'static str]| {
        prop_oneof![
            weight => proptest::sample::select(usual),
            1 => proptest::sample::select(odd),
        ]
    };
    let scheme = pick(
        12,
        &["https://"],
        &[
            "http://",
            "https:/",
            "https:",
            "https:\\\\",
            "HTTPS://",
            "//",
            "javascript://",
            "https:///",
            " https://",
            "h\tttps://",
            "",
        ],
    );
    let user = pick(
        12,
        &[""],
        &[
            "@",
            "a@",
            "a:b@",
            ":@",
            "app.hubspot.com@",
            "%40@",
            "app.hubspot.com:1@",
        ],
    );
    let host = prop_oneof![
        6 => proptest::sample::select(&["app.hubspot.com", "app-eu1.hubspot.com", "app-na2.hubspot.com", "127.0.0.1"][..])
            .prop_map(str::to_owned),
        2 => "[a-zA-Z0-9-]{0,6}".prop_map(|region| format!("app-{region}.hubspot.com")),
        1 => proptest::sample::select(&["evil.example", "app.hubspot.com.evil.example", "app%2ehubspot.com", "ａpp.hubspot.com",
            "app.hubspot.com.", "hubspot.com", "xn--app.hubspot.com", "app。hubspot.com", "APP.hubspot.com", "[::1]"][..])
            .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    let port = pick(
        6,
        &["", ":4010"],
        &[":443", ":", ":80", ":0443", ":x", ":4010@evil.example"],
    );
    let tail = prop_oneof![
        4 => proptest::sample::select(&["", "/", "/a/b?c=d#e", "?x", "#x", "/?state=1", "//evil.example", "/%0d%0a", "/@evil.example"][..])
            .prop_map(str::to_owned),
        1 => "[/?#.@:\\\\]{0,3}[ -~]{0,12}",
        1 => "\\PC{0,12}",
    ];
    let change = (
        any::<prop::sample::Index>(),
        proptest::sample::select(
            &[
                "", "\\", "/", "@", ":", ".", "-", "#", "?", "%", "%2e", "\t", "\n", "\r", " ",
                "\0", "。", "a", "1", "é", "\u{ad}", "[",
            ][..],
        ),
        any::<bool>(),
    );
    let changes = prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::collection::vec(change, 1..3),
    ];
    (scheme, user, host, port, tail, changes).prop_map(
        |(scheme, user, host, port, tail, changes)| {
            let mut letters: Vec<String> = format!("{scheme}{user}{host}{port}{tail}")
                .chars()
                .map(String::from)
                .collect();
            for (place, put, replaces) in changes {
                let at = place.index(letters.len() + 1);
                if replaces && at < letters.len() {
                    put.clone_into(&mut letters[at]);
                } else {
                    letters.insert(at, put.to_owned());
                }
            }
            letters.concat()
        },
    )
}

#[test]
fn our_verdict_is_the_one_that_browsers_parsing_asks_for() {
    let config = Config {
        // Reads `PROPTEST_CASES`.
        cases: Config::default().cases.max(CASES),
        failure_persistence: None,
        ..Config::default()
    };
    let cases = config.cases;
    let counts = std::cell::Cell::new((0_u32, 0_u32));
    TestRunner::new(config)
        .run(&address(), |text| {
            for authorize_url in [hubspot(), sandbox()] {
                let verdict = ReturnUrl::parse(&text, &authorize_url);
                prop_assert_eq!(
                    verdict.is_ok(),
                    is_right(&text, &authorize_url),
                    "{:?}",
                    text
                );
                let (mut yes, mut no) = counts.get();
                match verdict {
                    Ok(url) => {
                        yes += 1;
                        // What leaves us is read the same way again, and fits in a header.
                        let back = url.with_state("s").to_string();
                        prop_assert!(back.bytes().all(|byte| byte.is_ascii_graphic()));
                        prop_assert!(ReturnUrl::parse(&back, &authorize_url).is_ok(), "{}", back);
                    }
                    Err(NotHubSpots) => no += 1,
                }
                counts.set((yes, no));
            }
            Ok(())
        })
        .unwrap();
    let (taken, refused) = counts.get();
    assert!(taken > cases / 10, "only {taken} were taken");
    assert!(refused > cases / 10, "only {refused} were refused");
}
