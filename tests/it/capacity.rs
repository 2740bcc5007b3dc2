//! Gigabytes pass through; none of them stays.

use crate::harness::{Edge, Origin, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BODY_BYTES: u64 = 2 << 30;
const PIECE_BYTES: usize = 256 << 10;
/// A hundredth of one body, beyond what the program holds at rest.
const GROWTH_BYTES_MAX: u64 = 20 << 20;

async fn write_body(stream: &mut (impl AsyncWriteExt + Unpin)) {
    let piece = vec![b'x'; PIECE_BYTES];
    for _ in 0..BODY_BYTES / PIECE_BYTES as u64 {
        soon("room to write", stream.write_all(&piece)).await.unwrap();
    }
}

async fn read_body(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut left = BODY_BYTES;
    let mut piece = vec![0; PIECE_BYTES];
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = soon("bytes", stream.read(&mut piece[..most])).await.unwrap();
        assert!(read > 0, "{left} bytes are missing");
        left -= read as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gibibytes_pass_each_way_with_flat_memory() {
    let origin = Origin::scripted(|connection, seen| {
        let upload = seen.line().starts_with("POST");
        Box::pin(async move {
            if upload {
                let early = connection.take_unread() as u64;
                let mut stream = connection.stream().take(BODY_BYTES - early);
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
            } else {
                connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n")).await;
                write_body(connection.stream()).await;
            }
            true
        })
    })
    .await;
    let edge = Edge::before(&origin).await;
    let at_rest = edge.resident_bytes();

    let mut download = edge.connect().await;
    download.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(download.stream().read_u8().await.unwrap());
    }
    read_body(download.stream()).await;

    let mut upload = edge.connect().await;
    upload.write(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_BYTES}\r\n\r\n")).await;
    write_body(upload.stream()).await;
    assert_eq!(upload.answer().await.text(), "done");

    let growth = edge.peak_bytes().saturating_sub(at_rest);
    assert!(growth < GROWTH_BYTES_MAX, "it held {} KiB more", growth >> 10);
}
