//! As much of a browser as the journey needs: one request per connection, and a cookie jar.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything is on this machine: what takes longer has failed.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// The shop's pages are a few kilobytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// A browser on one site.
pub(super) struct Browser {
    authority: String,
    cookies: Vec<(String, String)>,
}

/// An answer: its status, its fields, its body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
}

impl Browser {
    pub(super) fn new(front: &str) -> Self {
        Self { authority: front.trim_start_matches("http://").to_owned(), cookies: Vec::new() }
    }

    /// Opens a document.
    pub(super) async fn open(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, "Accept: text/html\r\nSec-Fetch-Dest: document\r\n", "").await
    }

    /// Sends what analytics.js sends.
    pub(super) async fn call(&mut self, path: &str, json: &str) -> io::Result<Answer> {
        let origin =
            format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n", self.authority);
        self.send("POST", path, &origin, json).await
    }

    /// Submits a form.
    pub(super) async fn submit(&mut self, path: &str, form: &str) -> io::Result<Answer> {
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", form).await
    }

    /// The value of a cookie that the site has set.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    async fn send(&mut self, method: &str, path: &str, fields: &str, body: &str) -> io::Result<Answer> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mozilla/5.0 (demo)\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Length: {}\r\n{fields}\r\n{body}",
            self.authority,
            cookies.join("; "),
            body.len()
        );
        let answer = timeout(ANSWER_WAIT_MAX, exchange(&self.authority, &request)).await??;
        for line in answer.head.lines() {
            if let Some((name, value)) =
                line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
                && let Some((cookie, kept)) = value.split(';').next().unwrap_or(name).split_once('=')
            {
                self.cookies.retain(|(own, _)| own != cookie);
                self.cookies.push((cookie.to_owned(), kept.to_owned()));
            }
        }
        Ok(answer)
    }
}

async fn exchange(authority: &str, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(authority).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned() })
}
