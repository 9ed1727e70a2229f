//! Whether a server of ours answers at an address.
//!
//! Asked by `doctor` and `launch` before they believe a port. It needs no token and changes nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server on this machine answers at once or is not there, but the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(2);
/// Our own answer is shorter.
const LONGEST_ANSWER: u64 = 4096;

/// Returns true when our server answers there within two seconds. Another program on the port is no error.
pub(crate) async fn is_ours(host: &str, port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        let request =
            format!("GET / HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;

        let mut answer = String::new();
        stream.take(LONGEST_ANSWER).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|text| text.contains("\"name\":\"switchyard\"")))
}
