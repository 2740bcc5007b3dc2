use super::client::{Connection, fields};
use super::soon;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A scripted origin: each request it reads is recorded to the byte, and answered by the script.
pub(crate) struct Origin {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
}

/// A request as it reached the origin.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Request line and fields, without the empty line; bytes as Latin-1.
    pub(crate) head: String,
    /// The body that its Content-Length announced.
    pub(crate) body: Vec<u8>,
}

impl Origin {
    /// An origin that gives every request the same bytes, and keeps its connections.
    pub(crate) async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::scripted(move |connection, _| {
            let answer = Arc::clone(&answer);
            Box::pin(async move {
                connection.write(answer.as_slice()).await;
                true
            })
        })
        .await
    }

    /// An origin that answers with bytes and closes.
    pub(crate) async fn closing(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::scripted(move |connection, _| {
            let answer = Arc::clone(&answer);
            Box::pin(async move {
                connection.write(answer.as_slice()).await;
                false
            })
        })
        .await
    }

    /// An origin with a script: it gets the connection after each head, and says whether the connection goes on.
    pub(crate) async fn scripted<S>(script: S) -> Self
    where
        S: for<'a> Fn(&'a mut Connection, &'a Seen) -> futures_util::future::BoxFuture<'a, bool>
            + Send
            + Sync
            + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (record, seen) = mpsc::unbounded_channel();
        let script = Arc::new(script);
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                tokio::spawn(converse(Connection::over(stream), record.clone(), Arc::clone(&script)));
            }
        });
        Self { address, seen }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request that it saw.
    pub(crate) async fn saw(&mut self) -> Seen {
        soon("a request at the origin", self.seen.recv()).await.unwrap()
    }

    /// Whether it has seen no further request.
    pub(crate) fn saw_nothing(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

async fn converse<S>(mut connection: Connection, record: mpsc::UnboundedSender<Seen>, script: Arc<S>)
where
    S: for<'a> Fn(&'a mut Connection, &'a Seen) -> futures_util::future::BoxFuture<'a, bool>,
{
    while let Some(seen) = connection.request().await {
        let goes_on = script(&mut connection, &seen).await;
        // The test may have ended already.
        drop(record.send(seen));
        if !goes_on {
            return;
        }
    }
}

impl Seen {
    /// The request line.
    pub(crate) fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// All values of a field.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }
}

/// An answer with a Content-Length.
pub(crate) fn answers(status: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for line in lines {
        answer.push_str(line);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    answer.push_str(body);
    answer.into_bytes()
}
