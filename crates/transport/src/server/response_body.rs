use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::activity::{Activity, Streaming};
use super::frames::{Broken, FrameStream};

pub(crate) enum ResponseBody {
    Whole(Full<Bytes>),
    Stream(Box<StreamBody>),
}

pub(crate) struct StreamBody {
    frames: FrameStream,
    streaming: Option<Streaming>,
}

impl ResponseBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    pub(crate) fn stream(frames: FrameStream) -> Self {
        Self::Stream(Box::new(StreamBody { frames, streaming: None }))
    }

    pub(crate) fn begin(&mut self, activity: &Rc<Activity>) {
        match self {
            Self::Whole(_) => activity.answered(),
            Self::Stream(stream) => stream.streaming = Some(Streaming::begin(activity)),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                Pin::new(body).poll_frame(context).map_err(|never: Infallible| match never {})
            }
            Self::Stream(stream) => stream
                .frames
                .poll_frames(context)
                .map(|next| next.map(|frames| frames.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(stream) => stream.frames.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
