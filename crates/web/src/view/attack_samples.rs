//! Pages with what has run in other people's pages in every text from outside: a gift's name, message and type, sender,
//! recipient and address, and what an API said of a mistake. None may add anything to a page but text.

use std::fmt::Write;

use askama::Template;
use domain::failure::Stage;
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use domain::{Status, UserId};

use super::asked::Asked;
use super::dashboard::DashboardPage;
use super::dashboard_samples::active;
use super::failure_samples::groups;
use super::failures::FailuresPage;
use super::gifts::GiftsPage;
use super::gifts_samples::{line, page};
use super::linking_samples::hostile_trace;
use super::run::RunPage;
use super::run_samples::account;
use super::samples::{now, portal, status, viewer};
use super::trace::TracePage;
use domain::statistics::Range;

/// Markup, handlers, ways out of attributes and elements, scripts as addresses, encodings, and marks of templates.
pub(super) const ATTACKS: [&str; 66] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/src=data:,alert(1)>",
    "<script\n>alert(1)</script\n>",
    "<script>/*",
    "*/alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror\n=alert(1)//",
    "<IMG \"\"\"><SCRIPT>alert(1)</SCRIPT>\">",
    "<img/src='x'/onerror='alert(1)'>",
    "<image src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert`1`>",
    "<svg><script>alert&#40;1&#41;</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text y=20>x</text></a></svg>",
    "<svg><use href=\"data:image/svg+xml,<svg id='x' onload='alert(1)'/>#x\">",
    "<math><a xlink:href=javascript:alert(1)>x</a></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)></audio>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)></select>",
    "<textarea autofocus onfocus=alert(1)></textarea>",
    "<keygen autofocus onfocus=alert(1)>",
    "<form action=javascript:alert(1)><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=\"java\tscript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<link rel=import href=data:text/html,<script>alert(1)</script>>",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<div style =\"background:url(javascript:alert(1))\">x</div>",
    "<p style =x:expression(alert(1))>x</p>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "` onmouseover=alert(1) `",
    "\" autofocus onfocus=alert(1) x=\"",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</td></tr></table><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
];

/// The pages that hold these texts, by name.
fn pages_with(texts: &[&str]) -> Vec<(&'static str, String)> {
    let (portal, status) = (portal(), status(PortalState::Active));
    let all = texts.join("\n");
    let gifts = page(
        (0..)
            .zip(texts)
            .map(|(n, text)| {
                let mut line = line(n, text, text, Status::Sent);
                line.gift_type = Some((*text).to_owned());
                line.sender_name = Some((*text).to_owned());
                line.recipient = Some((*text).to_owned());
                line
            })
            .collect(),
    );
    let failures: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut group = groups().swap_remove(0);
            (group.code, group.field) = ((*text).to_owned(), Some((*text).to_owned()));
            group.reason = (*text).to_owned();
            group
        })
        .collect();
    let mut run = account(RunKind::Sync, RunState::Failed, 125);
    run.error = Some(all.clone());
    for stage in [Stage::Row, Stage::Record, Stage::Link] {
        run.counts.failures.add(stage, &all, Some(&all), &all, &all);
    }
    let mut dashboard = active();
    let activities = &mut dashboard.overview.statistics.recent_activity;
    let known = activities[0].clone();
    *activities = texts
        .iter()
        .map(|text| {
            let mut activity = known.clone();
            activity.gift_name = Some((*text).to_owned());
            activity.recipient = Some((*text).to_owned());
            activity
        })
        .collect();
    let gifts = GiftsPage::new(&gifts, &Asked::default(), Vec::new(), viewer(), now());
    let failures = FailuresPage::new(&portal, &status, &failures, viewer(), now());
    let run = RunPage::new(&portal, &status, &run, viewer(), UserId(1), now());
    let trace = TracePage::new(&hostile_trace(&all), viewer(), None, now());
    let dashboard = DashboardPage::new(&dashboard, viewer(), Range::default(), now());
    vec![
        ("gifts", gifts.render().unwrap()),
        ("failures", failures.render().unwrap()),
        ("run", run.render().unwrap()),
        ("trace", trace.render().unwrap()),
        ("dashboard", dashboard.render().unwrap()),
    ]
}

/// Name and page; a browser opens them too.
pub(super) fn pages() -> Vec<(String, String)> {
    let pages = pages_with(&ATTACKS).into_iter();
    pages
        .map(|(name, page)| (format!("{name}-attacks-hostile"), page))
        .collect()
}

/// What only markup has: elements and the quotes of attributes. A text has neither left when it is written.
fn markup(page: &str) -> (usize, usize, usize) {
    let count = |mark| page.matches(mark).count();
    (count("<"), count(">"), count("\""))
}

#[test]
fn no_text_from_outside_adds_anything_to_a_page() {
    for (at, attack) in ATTACKS.iter().enumerate() {
        // As many words and as many lines, so that nothing else makes a difference.
        let harmless: String = attack
            .chars()
            .map(|c| if c.is_whitespace() { c } else { 'x' })
            .collect();
        let plain = pages_with(&[&harmless]);
        for ((name, attacked), (_, plain)) in pages_with(&[attack]).iter().zip(&plain) {
            assert_eq!(
                markup(attacked),
                markup(plain),
                "{name} with {at}: {attack}"
            );
            let mut escaped = String::new();
            for c in attack.chars() {
                match c {
                    '<' | '>' | '&' | '"' | '\'' => {
                        write!(escaped, "&#{};", u32::from(c)).unwrap();
                    }
                    c => escaped.push(c),
                }
            }
            assert!(attacked.contains(&escaped), "{name} does not show {attack}");
        }
    }
}

/// What no template may hold: a text that is not escaped, a handler, a script or a style in the page itself.
const FORBIDDEN: [&str; 9] = [
    "|safe",
    "| safe",
    "|escape(\"none\")",
    "| escape(\"none\")",
    "{% autoescape",
    "javascript:",
    "<style",
    "style=",
    "srcdoc",
];

#[test]
fn no_template_lets_a_text_through_or_runs_anything_in_the_page() {
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../templates"
    ))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let template = std::fs::read_to_string(&path).unwrap().to_lowercase();
            let name = path.display();
            seen += 1;
            for word in FORBIDDEN {
                assert!(!template.contains(word), "{name} has {word}");
            }
            // A handler is an attribute that begins with `on`.
            for (at, _) in template.match_indices(" on") {
                let rest = &template[at + 3..];
                let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
                let is_handler = rest[word.len()..].trim_start().starts_with('=');
                assert!(!is_handler, "{name} has on{word}");
            }
            for (at, _) in template.match_indices("<script") {
                let tag = template[at..].split('>').next().unwrap_or_default();
                assert!(tag.contains(" src=\""), "{name} has {tag}>");
            }
        }
    }
    assert!(seen > 50, "{seen}");
}
