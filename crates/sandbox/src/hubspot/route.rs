//! The list of HubSpot's API paths: dated ones, and the v1, v3 and v4 aliases that HubSpot's own clients call.

use axum::http::Method;

use super::call::Call;
use super::errors::Outcome;
use super::objects::{batch_read, batch_write, merge, search, single, upsert};
use super::{account, associations, pipelines, properties, schema_associations, schemas};

/// A path that exists, with its endpoint's name.
pub(crate) struct Route {
    pub(crate) kind: &'static str,
    pub(crate) run: fn(&mut Call<'_>) -> Outcome,
    pub(crate) args: Vec<String>,
    pub(crate) search: bool,
    pub(crate) legacy: bool,
}

const VERSIONS: [&str; 2] = ["2026-09", "2026-03"];

/// Finds the endpoint of a path.
pub(crate) fn find(method: &Method, path: &str) -> Option<Route> {
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|s| {
            percent_encoding::percent_decode_str(s)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (area, rest, legacy) = area(&segments)?;
    let (kind, run, args) = endpoint(method.as_str(), area, rest)?;
    Some(Route {
        kind,
        run,
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        search: kind == "objects.search",
        legacy,
    })
}

/// The API a path belongs to, what follows its version, and whether it is the v3 associations API.
fn area<'a>(segments: &'a [&'a str]) -> Option<(&'static str, &'a [&'a str], bool)> {
    let dated = |version: &str| VERSIONS.contains(&version);
    let (area, rest, legacy) = match segments {
        ["crm", "objects", v, rest @ ..] if dated(v) => ("objects", rest, false),
        ["crm", "v3" | "v4", "objects", rest @ ..] => ("objects", rest, false),
        ["crm", "associations", v, rest @ ..] if dated(v) => ("associations", rest, false),
        ["crm", "v4", "associations", rest @ ..] => ("associations", rest, false),
        ["crm", "v3", "associations", rest @ ..] => ("associations", rest, true),
        ["crm-object-schemas", v, "schemas", rest @ ..] if dated(v) || *v == "v3" => {
            ("schemas", rest, false)
        }
        ["crm", "v3", "schemas", rest @ ..] => ("schemas", rest, false),
        ["crm", "properties", v, rest @ ..] if dated(v) => ("properties", rest, false),
        ["crm", "v3", "properties", rest @ ..] => ("properties", rest, false),
        ["crm", "pipelines", v, rest @ ..] if dated(v) => ("pipelines", rest, false),
        ["crm", "v3", "pipelines", rest @ ..] => ("pipelines", rest, false),
        ["crm", "owners", v, rest @ ..] if dated(v) => ("owners", rest, false),
        ["crm", "v3", "owners", rest @ ..] => ("owners", rest, false),
        ["crm", "limits", v, rest @ ..] if dated(v) || *v == "v3" => ("limits", rest, false),
        ["account-info", v, rest @ ..] if dated(v) || *v == "v3" => ("account", rest, false),
        ["appinstalls", v, rest @ ..] if dated(v) || *v == "v3" => ("appinstalls", rest, false),
        _ => return None,
    };
    Some((area, rest, legacy))
}

type Endpoint<'a> = (&'static str, fn(&mut Call<'_>) -> Outcome, Vec<&'a str>);

fn endpoint<'a>(method: &str, area: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    match area {
        "objects" => object(method, rest),
        "associations" => association(method, rest),
        "schemas" => schema(method, rest),
        "properties" => property(method, rest),
        _ => account(method, area, rest),
    }
}

fn object<'a>(method: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    Some(match (method, rest) {
        ("GET", [t]) => ("objects.list", single::list, vec![*t]),
        ("POST", [t]) => ("objects.create", single::create, vec![*t]),
        ("POST", [t, "search"]) => ("objects.search", search::search, vec![*t]),
        ("POST", [t, "merge"]) => ("objects.merge", merge::merge, vec![*t]),
        ("POST", [t, "gdpr-delete"]) => ("objects.gdpr_delete", merge::gdpr_delete, vec![*t]),
        ("POST", [t, "batch", "read"]) => ("objects.batch_read", batch_read::read, vec![*t]),
        ("POST", [t, "batch", "create"]) => ("objects.batch_create", batch_write::create, vec![*t]),
        ("POST", [t, "batch", "update"]) => ("objects.batch_update", batch_write::update, vec![*t]),
        ("POST", [t, "batch", "upsert"]) => ("objects.batch_upsert", upsert::upsert, vec![*t]),
        ("POST", [t, "batch", "archive"]) => {
            ("objects.batch_archive", batch_write::archive, vec![*t])
        }
        ("GET", [t, id]) => ("objects.read", single::read, vec![*t, *id]),
        ("PATCH", [t, id]) => ("objects.update", single::update, vec![*t, *id]),
        ("DELETE", [t, id]) => ("objects.archive", single::archive, vec![*t, *id]),
        ("GET", [t, id, "associations", to]) => (
            "associations.list",
            associations::single::list,
            vec![*t, *id, *to],
        ),
        ("PUT", [t, id, "associations", "default", to, to_id]) => (
            "associations.default",
            associations::single::put_default,
            vec![*t, *id, *to, *to_id],
        ),
        ("PUT", [t, id, "associations", to, to_id]) => (
            "associations.put",
            associations::single::put,
            vec![*t, *id, *to, *to_id],
        ),
        ("DELETE", [t, id, "associations", to, to_id]) => (
            "associations.delete",
            associations::single::delete,
            vec![*t, *id, *to, *to_id],
        ),
        _ => return None,
    })
}

fn association<'a>(method: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    use associations::{batch, labels};
    let [from, to, rest @ ..] = rest else {
        return None;
    };
    let args = vec![*from, *to];
    Some(match (method, rest) {
        ("POST", ["batch", "read"]) => ("associations.batch_read", batch::read, args),
        ("POST", ["batch", "associate", "default"]) => {
            ("associations.batch_default", batch::associate_default, args)
        }
        ("POST", ["batch", "create"]) => ("associations.batch_create", batch::create, args),
        ("POST", ["batch", "archive"]) => ("associations.batch_archive", batch::archive, args),
        ("POST", ["batch", "labels", "archive"]) => {
            ("associations.labels_archive", batch::archive_labels, args)
        }
        ("GET", ["labels"]) => ("associations.labels", labels::list, args),
        ("POST", ["labels"]) => ("associations.labels_create", labels::create, args),
        _ => return None,
    })
}

fn schema<'a>(method: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    Some(match (method, rest) {
        ("GET", []) => ("schemas.list", schemas::list, vec![]),
        ("POST", []) => ("schemas.create", schemas::create, vec![]),
        ("POST", ["batch", "read"]) => ("schemas.batch_read", schemas::batch_read, vec![]),
        ("GET", [t]) => ("schemas.read", schemas::read, vec![*t]),
        ("PATCH", [t]) => ("schemas.update", schemas::update, vec![*t]),
        ("DELETE", [t]) => ("schemas.delete", schemas::delete, vec![*t]),
        ("POST", [t, "associations"]) => (
            "schemas.associate",
            schema_associations::associate,
            vec![*t],
        ),
        ("DELETE", [t, "associations", id]) => (
            "schemas.dissociate",
            schema_associations::dissociate,
            vec![*t, *id],
        ),
        _ => return None,
    })
}

fn property<'a>(method: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    Some(match (method, rest) {
        ("GET", [t]) => ("properties.list", properties::list, vec![*t]),
        ("POST", [t]) => ("properties.create", properties::create, vec![*t]),
        ("POST", [t, "batch", "create"]) => (
            "properties.batch_create",
            properties::batch_create,
            vec![*t],
        ),
        ("POST", [t, "batch", "read"]) => {
            ("properties.batch_read", properties::batch_read, vec![*t])
        }
        ("GET", [t, "groups"]) => ("properties.groups", properties::groups, vec![*t]),
        ("POST", [t, "groups"]) => (
            "properties.group_create",
            properties::create_group,
            vec![*t],
        ),
        ("GET", [t, name]) => ("properties.read", properties::read, vec![*t, *name]),
        ("PATCH", [t, name]) => ("properties.update", properties::update, vec![*t, *name]),
        ("DELETE", [t, name]) => ("properties.archive", properties::archive, vec![*t, *name]),
        _ => return None,
    })
}

fn account<'a>(method: &str, area: &str, rest: &[&'a str]) -> Option<Endpoint<'a>> {
    Some(match (method, area, rest) {
        ("GET", "pipelines", [t]) => ("pipelines.list", pipelines::list, vec![*t]),
        ("GET", "pipelines", [t, id]) => ("pipelines.read", pipelines::read, vec![*t, *id]),
        ("GET", "owners", []) => ("owners.list", pipelines::owners, vec![]),
        ("GET", "limits", ["custom-object-types"]) => (
            "limits.custom_object_types",
            account::custom_object_types,
            vec![],
        ),
        ("GET", "limits", ["records"]) => ("limits.records", account::records, vec![]),
        ("GET", "account", ["details"]) => ("account.details", account::details, vec![]),
        ("DELETE", "appinstalls", ["external-install"]) => {
            ("account.uninstall", account::uninstall, vec![])
        }
        _ => return None,
    })
}
