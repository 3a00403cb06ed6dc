//! Confines a panic to its call.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Shared state must be consistent wherever the future can panic. Takes a pinned future, because an
/// async function stores its own futures twice.
pub(crate) async fn catch_panic<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    std::future::poll_fn(|context| poll_caught(future.as_mut(), context)).await
}

fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Result<F::Output, String>> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(panic_message(&*payload))),
    }
}

pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::catch_panic;
    use std::pin::pin;

    fn run<T>(future: impl Future<Output = T>) -> T {
        match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => panic!("no runtime: {error}"),
        }
    }

    #[test]
    fn a_finished_future_returns_its_value() {
        assert_eq!(run(catch_panic(pin!(async { 5 }))), Ok(5));
    }

    #[test]
    fn a_panic_returns_its_message() {
        assert_eq!(
            run(catch_panic(pin!(async { panic!("at {}", 7) }))),
            Err::<(), _>("at 7".to_owned())
        );
        assert_eq!(
            run(catch_panic(pin!(async { panic!("plain") }))),
            Err::<(), _>("plain".to_owned())
        );
    }
}
