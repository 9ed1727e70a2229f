//! Requests of one connection on their way to the surfaces, and their answers back.
//!
//! Called by hyper for each request. It notes what the connection does, limits the time of a body, says who calls, and
//! counts requests whose client leaves before there is an answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::time::{Instant, Sleep, sleep};

use super::activity::{Activity, Limits};
use crate::observe::{Departure, Observatory};

/// How many times the pause that a body may make it may take as a whole: a byte now and then is no progress.
const WHOLE_BODY: u32 = 20;

/// Who calls, as a request extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whether the router has taken a request over, as a request extension: then the router tells of its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandedOver(Arc<AtomicBool>);

impl HandedOver {
    /// Notes that the router tells of the request from now on.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request's body did not come in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request body did not come in time")]
pub(crate) struct Stalled;

/// Hands the requests of one connection on.
pub(super) struct ConnectionService {
    surfaces: TowerToHyperService<Router>,
    activity: Arc<Activity>,
    observatory: Arc<Observatory>,
    peer: Peer,
    body_pause: Duration,
}

impl ConnectionService {
    pub(super) fn new(
        surfaces: Router,
        activity: Arc<Activity>,
        observatory: Arc<Observatory>,
        peer: IpAddr,
        limits: &Limits,
    ) -> Self {
        let surfaces = TowerToHyperService::new(surfaces);
        Self { surfaces, activity, observatory, peer: Peer(peer), body_pause: limits.body }
    }
}

impl Service<Request<Incoming>> for ConnectionService {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let is_whole = request.body().is_end_stream();
        self.activity.request(request.version(), is_whole);
        let mut open = Open::new(Arc::clone(&self.activity));

        let handed_over = HandedOver::default();
        let departure =
            Departure::watch(Arc::clone(&self.observatory), &request, handed_over.clone());
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(handed_over);

        let activity = (!is_whole).then(|| Arc::clone(&self.activity));
        let pause = self.body_pause;
        let request = request.map(|body| match activity {
            Some(activity) => Body::new(Timed::new(body, activity, pause)),
            None => Body::empty(),
        });
        let answering = self.surfaces.call(request);
        Box::pin(async move {
            let response = answering.await?;
            departure.answered();
            open.answer();
            Ok(response.map(|body| Answer { body, open }))
        })
    }
}

/// A request that is not over; dropping it is its end.
#[derive(Debug)]
struct Open {
    activity: Arc<Activity>,
    is_working: bool,
    is_answered: bool,
}

impl Open {
    fn new(activity: Arc<Activity>) -> Self {
        Self { activity, is_working: true, is_answered: false }
    }

    fn answer(&mut self) {
        self.is_answered = true;
        self.activity.answer();
    }

    fn works(&mut self, works: bool) {
        if self.is_working != works {
            self.is_working = works;
            self.activity.works(works);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.activity.request_over(self.is_working, self.is_answered);
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    open: Open,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // What is ready is for the client to take; where nothing is, a provider works.
        self.open.works(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request, which must go on coming.
struct Timed {
    body: Incoming,
    activity: Arc<Activity>,
    pause: Duration,
    late: Pin<Box<Sleep>>,
    too_late: Instant,
    is_over: bool,
}

impl Timed {
    fn new(body: Incoming, activity: Arc<Activity>, pause: Duration) -> Self {
        let too_late = Instant::now() + pause * WHOLE_BODY;
        Self { body, activity, pause, late: Box::pin(sleep(pause)), too_late, is_over: false }
    }

    fn over(&mut self, is_whole: bool) {
        if !self.is_over {
            self.is_over = true;
            self.activity.body_over(is_whole);
        }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let late = (Instant::now() + self.pause).min(self.too_late);
                self.late.as_mut().reset(late);
                if self.body.is_end_stream() {
                    self.over(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.over(false);
                Poll::Ready(Some(Err(axum::Error::new(error))))
            }
            Poll::Ready(None) => {
                self.over(true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.late.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.over(false);
                Poll::Ready(Some(Err(axum::Error::new(Stalled))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.over(false);
    }
}
