//! A catalog source on this machine: answers each request with what it was told to, and remembers what was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One answer: status line, headers and body.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) etag: Option<&'static str>,
    pub(crate) body: String,
}

/// A source that answers until it is dropped.
pub(crate) struct Source {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl Source {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let (seen, given) = (Arc::clone(&requests), Arc::clone(&answer));
        #[expect(
            clippy::disallowed_methods,
            reason = "the task is stopped when the source is dropped"
        )]
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                let mut chunk = [0; 1024];
                while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                    match socket.read(&mut chunk).await {
                        Ok(0) | Err(_) => break,
                        Ok(count) => head.extend_from_slice(&chunk[..count]),
                    }
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
                let Answer { status, etag, body } = given.lock().unwrap().clone();
                let etag = etag.map(|etag| format!("etag: {etag}\r\n")).unwrap_or_default();
                let text = format!(
                    "HTTP/1.1 {status}\r\n{etag}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                socket.write_all(text.as_bytes()).await.ok();
            }
        });
        Self { url, requests, answer, task }
    }

    pub(crate) fn now_answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}
