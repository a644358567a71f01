//! An answer that is small on the wire and swells when it is unpacked.

use axum::body::{Body, Bytes};
use flate2::{Compress, Compression, Crc, FlushCompress};
use futures::stream;

const MEBIBYTE: usize = 1024 * 1024;
/// gzip's head (RFC 1952): deflate, no name, no time, of an unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// A gzip body that becomes so many MiB of spaces, made piece by piece while it is sent.
pub(crate) fn body(mebibytes: u32) -> Body {
    let spaces = vec![b' '; MEBIBYTE];
    let piece = Bytes::from(piece(&spaces));
    let mut of_piece = Crc::new();
    of_piece.update(&spaces);
    let mut of_all = Crc::new();
    for _ in 0..mebibytes {
        of_all.combine(&of_piece);
    }
    let mut end = LAST_BLOCK.to_vec();
    end.extend_from_slice(&of_all.sum().to_le_bytes());
    end.extend_from_slice(&of_all.amount().to_le_bytes());
    let pieces = std::iter::once(Bytes::from_static(&HEAD))
        .chain((0..mebibytes).map(move |_| piece.clone()))
        .chain([Bytes::from(end)]);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, std::convert::Infallible>)))
}

/// `plain` as deflate blocks that end at a whole byte and refer to nothing before them, so that they can follow one another.
fn piece(plain: &[u8]) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut packed = Vec::with_capacity(plain.len() / 8);
    deflate
        .compress_vec(plain, &mut packed, FlushCompress::Full)
        .expect("there is room for what spaces are packed into");
    packed
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;

    use super::*;

    #[tokio::test]
    async fn a_kilobyte_is_a_mebibyte_of_spaces() {
        let packed = to_bytes(body(3), usize::MAX).await.unwrap();
        assert!(packed.len() < 3 * 4_096, "{}", packed.len());
        let mut plain = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain.len(), 3 * MEBIBYTE);
        assert!(plain.iter().all(|byte| *byte == b' '));
    }
}
