//! A small HTTP client: one connection per request, nothing retried, nothing hidden.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::world::Server;

/// No answer here may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request in the making.
pub(crate) struct Ask<'a> {
    server: &'a Server,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    shows_token: bool,
}

/// An answer of which the head has come.
pub(crate) struct Begun {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// False when the body broke off.
    pub(crate) is_complete: bool,
}

impl Server {
    pub(crate) fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<Bytes>) -> Ask<'_> {
        let mut ask = self.ask(Method::POST, path).header("content-type", "application/json");
        ask.body = body.into();
        ask
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Ask<'_> {
        self.post(path, body.to_string())
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            server: self,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            shows_token: true,
        }
    }

    /// Writes bytes and reads whatever comes until the connection is closed.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // A reset behind the answer is no business of the tests.
        read.expect("an end of the connection").ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn without_token(mut self) -> Self {
        self.shows_token = false;
        self
    }

    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn begin(self) -> Begun {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        TaskTracker::new().spawn(connection);
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .body(Full::new(self.body))
            .unwrap();
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        if !headers.contains_key("host") {
            headers
                .insert("host", HeaderValue::from_str(&self.server.address.to_string()).unwrap());
        }
        if let Some(token) = self.server.token.as_ref().filter(|_| self.shows_token) {
            headers.insert(
                "authorization",
                HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
            );
        }
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let (parts, body) = response.expect("an answer in time").expect("an answer").into_parts();
        Begun { status: parts.status, headers: parts.headers, body }
    }

    /// Sends the request and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        self.begin().await.finish().await
    }
}

impl Begun {
    /// Returns the next bytes, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame =
                tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("bytes in time")?;
            match frame.ok()?.into_data() {
                Ok(data) => return Some(data),
                Err(_) => continue,
            }
        }
    }

    /// Reads the rest.
    pub(crate) async fn finish(mut self) -> Answer {
        let mut body = Vec::new();
        let mut is_complete = true;
        loop {
            match tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("bytes in time") {
                None => break,
                Some(Ok(frame)) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => {
                    is_complete = false;
                    break;
                }
            }
        }
        Answer {
            status: self.status.as_u16(),
            headers: self.headers,
            body: body.into(),
            is_complete,
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns a header as text, or an empty one.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
