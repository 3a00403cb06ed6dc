use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{Either, Full};

use super::activity::Activity;
use super::frames::FrameStream;

pub(crate) type ResponseBody = Either<Full<Bytes>, Box<FrameStream>>;

pub(crate) fn whole(bytes: Bytes) -> ResponseBody {
    Either::Left(Full::new(bytes))
}

pub(crate) fn begin(body: &mut ResponseBody, activity: &Rc<Activity>) {
    match body {
        Either::Left(_) => activity.answered(),
        Either::Right(frames) => frames.begin(activity),
    }
}
