//! Where calls may go, and how long connecting may take.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use sy_testkit::{FakeUpstream, Script};
use sy_types::{CallBody, ErrorKind, HttpCall, Side, Target};
use tokio::net::TcpSocket;
use tokio::time::Instant;
use url::Url;

use super::lookup::permitted;
use super::{Connector, Exit, Missed, Reach, Reply, Way};
use crate::fixture::target;
use crate::watch::Watch;

#[test]
fn a_name_cannot_lead_where_an_address_may_not_go() {
    let check = |addresses: &[&str], reach: Reach, expected: Option<&[&str]>| {
        let parse = |list: &[&str]| {
            list.iter().map(|text| text.parse::<SocketAddr>().unwrap()).collect::<Vec<_>>()
        };
        let kept = permitted("host", reach, parse(addresses)).ok();
        assert_eq!(kept, expected.map(parse), "{addresses:?}");
    };
    check(&["1.1.1.1:0", "10.0.0.1:0"], Reach::Public, Some(&["1.1.1.1:0"]));
    check(&["10.0.0.1:0"], Reach::Public, None);
    check(&["10.0.0.1:0"], Reach::Operator, Some(&["10.0.0.1:0"]));
    check(&["169.254.169.254:0", "[fe80::1]:0"], Reach::Operator, None);
    check(&["[::1]:0", "127.0.0.1:0"], Reach::Public, None);
}

async fn send(connector: &Connector, target: &Target, url: &str) -> Result<Reply, Missed> {
    let call = HttpCall {
        method: Method::POST,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: CallBody::from(Bytes::from_static(b"{}")),
    };
    let ready = connector.prepare(target, call)?;
    connector.send(ready, &mut Watch::start(&target.timeouts, Instant::now())).await
}

#[tokio::test]
async fn only_an_operators_provider_may_be_on_this_machine() {
    let upstream = FakeUpstream::always(Script::json(200, "{}")).await;
    let port = upstream.address().port();
    let (mut target, connector) = (target("p", "m"), Connector::default());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{port}/v1");
        target.operator_configured = true;
        assert!(send(&connector, &target, &url).await.is_ok(), "{host}");
        target.operator_configured = false;
        let failure = send(&connector, &target, &url).await.unwrap_err().failure;
        assert_eq!((failure.kind, failure.side), (ErrorKind::Forbidden, Side::Gateway), "{host}");
        assert!(failure.message.contains("options.baseURL"), "{}", failure.message);
    }
    assert_eq!(upstream.hits(), 3);
}

#[tokio::test]
async fn a_connection_that_does_not_stand_in_time_is_a_timeout() {
    // Two connections fill the backlog of a listener that accepts none; the kernel lets the next one wait.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connecting).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
    }
    let mut target = target("p", "m");
    target.timeouts.connect = Duration::from_millis(150);
    let missed =
        send(&Connector::default(), &target, &format!("http://{address}/v1")).await.unwrap_err();
    assert_eq!(missed.failure.kind, ErrorKind::Timeout);
    assert!(
        missed.failure.message.contains("no connection to p within 150ms"),
        "{}",
        missed.failure.message
    );
}

#[test]
fn a_host_that_does_not_answer_gets_a_client_of_its_own() {
    let connector = Connector::default();
    let dead = Url::parse("https://dead.test/v1").unwrap();
    let other = Url::parse("https://other.test/v1").unwrap();
    let connect = Duration::from_secs(1);
    let exit = Exit { reach: Reach::Operator, way: Way::Usual, connect, renewed: None };
    let clients = |url: &Url| {
        connector.client(url, exit).unwrap();
        connector.clients.read().unwrap().len()
    };
    assert_eq!((clients(&dead), clients(&other)), (1, 1));
    connector.renew(&dead);
    assert_eq!((clients(&dead), clients(&other)), (2, 2));
    // The former one of the host is gone.
    connector.renew(&dead);
    assert_eq!((clients(&dead), clients(&dead), clients(&other)), (2, 2, 2));
    // Plain HTTP has a connection for each call anyway.
    connector.renew(&Url::parse("http://other.test/v1").unwrap());
    assert_eq!(clients(&other), 2);
}

#[tokio::test]
async fn nothing_is_kept_of_names_that_lead_nowhere() {
    let connector = Connector::default();
    for number in 0..1000 {
        connector.renew(&Url::parse(&format!("https://host-{number}.test/")).unwrap());
    }
    assert!(connector.renewed.read().unwrap().len() <= super::RENEWED_LIMIT);
}
