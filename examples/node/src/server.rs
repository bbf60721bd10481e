//! Answers Prometheus.

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pvf_host_core::metrics::{self, Registry};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

/// How many may ask at once. Prometheus is one.
const CONNECTIONS: usize = 8;

/// How long somebody may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers whoever asks, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, registry: Arc<Registry>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Whoever is connected is dropped together with it.
    let mut connections = JoinSet::new();
    while let Ok(place) = places.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "can't answer Prometheus");
                // There are no descriptors, perhaps. Not at once again.
                tokio::time::sleep(PATIENCE).await;
                continue;
            }
        };
        let registry = registry.clone();
        connections.spawn(async move {
            let answer = service_fn(async |request| answer(&request, &registry));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    registry: &Registry,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    } else {
        *response.body_mut() = metrics::encode(registry).into();
        let content_type = metrics::CONTENT_TYPE.parse().expect("it has only plain characters");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    Ok(response)
}
