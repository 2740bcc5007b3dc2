//! What a scanner of TLS finds, by OpenSSL: versions, ciphers, tickets, names and protocols.

use crate::harness::{Edge, Origin, answers};
use std::process::{Command, Stdio};

/// What `openssl s_client` says of a handshake with these options; `None`, with a word, where it is missing.
fn s_client(address: &str, options: &str) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address]).args(options.split(' ')).stdin(Stdio::null());
    // The system's own policy would keep the client from trying.
    command.env("OPENSSL_CONF", "/dev/null");
    match command.output() {
        Ok(output) => Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        Err(error) => {
            eprintln!("!! SKIPPED: openssl cannot be run: {error}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_finds_nothing_old_or_weak() {
    let origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let edge = Edge::start().site(&["shop.example"], origin.address());
    let (edge, authority) = edge.secured(&[&["shop.example"], &["other.example"]]);
    let edge = edge.run().await;
    let (address, root) = (edge.secure_address().to_string(), authority.file(edge.folder()));
    let trusting = format!("-CAfile {} -verify_return_error -servername", root.display());
    let weak = "@SECLEVEL=0";
    for (options, says) in [
        // Versions. The client would take the old ones.
        (format!("-tls1_3 {trusting} shop.example"), &["TLSv1.3", "Verify return code: 0 (ok)"][..]),
        (
            format!("-tls1_2 {trusting} shop.example"),
            &["Protocol  : TLSv1.2", "Verify return code: 0 (ok)", "Secure Renegotiation IS supported"],
        ),
        (format!("-tls1_1 -cipher ALL:{weak}"), &["SSL alert number", "no peer certificate available"]),
        (format!("-tls1 -cipher ALL:{weak}"), &["SSL alert number", "no peer certificate available"]),
        // Ciphers: with forward secrecy and authenticated, nothing else.
        (format!("-tls1_2 -cipher AES128-GCM-SHA256:AES256-SHA:{weak}"), &["alert handshake failure"]),
        (
            format!("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:{weak}"),
            &["alert handshake failure"],
        ),
        (format!("-tls1_2 -cipher NULL:aNULL:DES-CBC3-SHA:RC4-SHA:{weak}"), &["Cipher is (NONE)"]),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384".to_owned(), &["Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"]),
        ("-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305".to_owned(), &["Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"]),
        ("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256".to_owned(), &["alert handshake failure"]),
        // Tickets, but no compression.
        ("-tls1_2".to_owned(), &["TLS session ticket:", "Compression: NONE"]),
        // Protocols.
        ("-alpn h2,http/1.1".to_owned(), &["ALPN protocol: h2"]),
        ("-alpn http/1.1".to_owned(), &["ALPN protocol: http/1.1"]),
        ("-alpn spdy/3".to_owned(), &["alert no application protocol"]),
        // Names.
        (format!("{trusting} other.example -verify_hostname other.example"), &["Verify return code: 0 (ok)"]),
        (format!("{trusting} other.example -verify_hostname shop.example"), &["hostname mismatch"]),
        (format!("{trusting} third.example -verify_hostname third.example"), &["hostname mismatch"]),
    ] {
        let Some(said) = s_client(&address, &options) else { return };
        for says in says {
            assert!(said.contains(says), "{options}: {says}\n{said}");
        }
    }
}
