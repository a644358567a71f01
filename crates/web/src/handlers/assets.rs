//! Files with a hash in their name.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::assets;
use crate::error::Error;

/// `GET /static/{file}`
pub async fn show(Path(file): Path<String>) -> Result<Response, Error> {
    let asset = assets::find(&file).ok_or(Error::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes.as_ref()).into_response())
}
