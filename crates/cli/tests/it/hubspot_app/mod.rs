//! `hubspot-app/`, this app as a HubSpot developer project and its listing in the marketplace: what of it follows from code
//! is made here, and compared with what is committed. `UPDATE_HUBSPOT_APP=1` writes it instead.

mod checked;
mod listing;
mod project;

use std::path::PathBuf;

/// What somebody types after a change of scopes, events or properties.
const AGAIN: &str = "UPDATE_HUBSPOT_APP=1 cargo test -p cli --test it hubspot_app";

/// The project's folder.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../hubspot-app")
}

/// Every file that follows from code: its path in the folder, and its text.
fn files() -> Vec<(&'static str, String)> {
    [project::files(), listing::files()].concat()
}

#[test]
fn the_committed_project_is_what_the_code_says() {
    for (name, wanted) in files() {
        let path = folder().join(name);
        if std::env::var_os("UPDATE_HUBSPOT_APP").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == wanted,
            "hubspot-app/{name} is not what the code says; `{AGAIN}` makes it anew"
        );
    }
}

#[test]
fn the_project_names_addresses_that_the_service_has() {
    for path in [project::CALLBACK, project::EVENTS] {
        let is_route = web::router::ROUTES.iter().any(|route| route.path == path);
        assert!(is_route, "{path}");
    }
}
