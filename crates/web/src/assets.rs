//! Style sheet, scripts and images, inside the binary. A file's address carries a hash of its content, so browsers keep
//! it for a year and never see an old one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../static"]
#[exclude = "*.md"]
#[exclude = "*/LICENSE"]
struct Files;

/// A file as it is served.
pub struct Asset {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub media_type: &'static str,
}

struct Assets {
    by_name: BTreeMap<String, String>,
    by_address: BTreeMap<String, Asset>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut assets = Assets {
        by_name: BTreeMap::new(),
        by_address: BTreeMap::new(),
    };
    let mut style = Vec::new();
    let mut paths: Vec<_> = Files::iter().collect();
    // Vendored rules come before ours, ours in the order of their numbers.
    paths.sort_by_key(|path| (!path.starts_with("vendor/"), path.clone()));
    for path in paths {
        let Some(file) = Files::get(&path) else {
            continue;
        };
        if path.ends_with(".css") {
            style.extend_from_slice(&file.data);
            style.push(b'\n');
        } else {
            assets.add(&path, file.data);
        }
    }
    assets.add("app.css", style.into());
    assets
});

impl Assets {
    fn add(&mut self, path: &str, bytes: Cow<'static, [u8]>) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let hashed = format!("{stem}.{:016x}.{extension}", hasher.finish());
        let media_type = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => mime_guess::from_ext(extension)
                .first_raw()
                .unwrap_or("application/octet-stream"),
        };
        self.by_name
            .insert(name.to_owned(), format!("/static/{hashed}"));
        self.by_address.insert(hashed, Asset { bytes, media_type });
    }
}

/// The address of the file called `name`; all style sheets together are `app.css`.
pub fn url(name: &str) -> &'static str {
    ASSETS.by_name.get(name).map_or("", String::as_str)
}

/// The file at `/static/{hashed}`.
pub fn find(hashed: &str) -> Option<&'static Asset> {
    ASSETS.by_address.get(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_a_page_names_is_there_and_hashed() {
        for name in ["app.css", "chart.js", "live.js", "uplot.min.js", "mark.svg"] {
            let address = url(name).strip_prefix("/static/").unwrap();
            assert!(find(address).is_some_and(|asset| !asset.bytes.is_empty()));
            assert_ne!(address, name);
        }
    }

    #[test]
    fn our_rules_come_after_the_vendored_ones() {
        let address = url("app.css").strip_prefix("/static/").unwrap();
        let style = String::from_utf8_lossy(&find(address).unwrap().bytes);
        assert!(style.find(".u-legend") < style.find("--canvas"));
        assert!(style.find("--canvas") < style.find(".topbar"));
    }
}
