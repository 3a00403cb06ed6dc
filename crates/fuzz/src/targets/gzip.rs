//! Input: a byte for the limit, a byte for the action, a body.

use backwater_protocol::gzip::{GzipError, deflate, inflate};

use crate::input::Input;
use crate::memory;

/// Excludes the output, which exists twice while it grows.
const MEMORY_BESIDES: usize = 128 * 1024;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = input.pick(&[0, 1, 100, 1000, 16_384, 65_536, 1 << 20, 8 << 20]);
    let what = input.byte();
    let body = input.rest();
    if what & 1 == 0 {
        check_inflate(body, limit);
        return;
    }
    let level = u32::from(what >> 1);
    let Some(packed) = deflate(body, level) else { return };
    assert!(packed.len() < body.len(), "deflating made it larger");
    assert_eq!(inflate(&packed, body.len()).as_deref(), Ok(body));
    let limit = body.len() - 1;
    assert_eq!(inflate(&packed, limit), Err(GzipError::TooLarge { limit }));
}

fn check_inflate(body: &[u8], limit: usize) {
    let inflated = memory::within(2 * limit + MEMORY_BESIDES, "inflating", || inflate(body, limit));
    match inflated {
        Ok(output) => {
            assert!(output.len() <= limit, "{} bytes of {limit}", output.len());
            assert!(output.capacity() <= limit + 1, "{} bytes of {limit}", output.capacity());
            assert!(inflate(body, output.len()).is_ok());
            if let Some(less) = output.len().checked_sub(1) {
                assert_eq!(inflate(body, less), Err(GzipError::TooLarge { limit: less }));
            }
        }
        Err(GzipError::TooLarge { limit: said }) => assert_eq!(said, limit),
        Err(GzipError::Malformed) => {}
    }
}
