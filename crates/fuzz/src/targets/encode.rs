//! Input: two bytes of options, then a tape; see [`Tapes`].

use backwater_etf::{
    DecodeErrorKind, DecodeOptions, Decoder, EncodeErrorKind, EncodeOptions, Encoder, Tape,
};

use crate::input::Input;
use crate::memory;
use crate::tapes::Tapes;

const VERSION: u8 = 131;
/// May be written before the size is checked.
const SLACK: usize = 2048;
/// Per byte of the tape and of the limit.
const MEMORY_PER_BYTE: usize = 64;
const MEMORY_BESIDES: usize = 64 * 1024;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let max_size = input.pick(&[0, 10, 30, 100, 1000, 100_000]);
    let max_depth = input.pick(&[1_000_000, 3, 50]);
    let tapes = Tapes::read(&mut input);
    let mut encoder = Encoder::default();
    let options = EncodeOptions { max_size, max_depth };
    let limit = (tapes.size() + max_size.min(tapes.size() * 8)) * MEMORY_PER_BYTE + MEMORY_BESIDES;
    let (encoded, out) = memory::within(limit, "encoding", || {
        let mut out = vec![VERSION];
        (encoder.encode_term(tapes.as_tape_ref(), &options, &mut out), out)
    });
    match encoded {
        Ok(()) => {
            assert!(out.len() <= max_size, "{} bytes of {max_size}", out.len());
            let mut again = vec![VERSION];
            assert_eq!(encoder.encode_term(tapes.as_tape_ref(), &options, &mut again), Ok(()));
            assert_eq!(out, again);
            check_readable(&out);
            check_around(&tapes, &mut encoder, &options, Some(&out));
        }
        Err(error) => {
            assert!(out.len() <= max_size + SLACK, "{} bytes of {max_size}", out.len());
            assert!(error.word <= tapes.words.len(), "{error}");
            check_around(&tapes, &mut encoder, &options, None);
        }
    }
}

fn check_around(
    tapes: &Tapes,
    encoder: &mut Encoder,
    options: &EncodeOptions,
    whole: Option<&[u8]>,
) {
    let tape = tapes.as_tape_ref();
    let (mut out, mut gaps) = (vec![VERSION], Vec::new());
    match encoder.encode_around(tape, options, &mut out, &mut gaps) {
        Ok(()) => {
            for gap in gaps.iter().rev() {
                let bytes = tape.out_of_band.get(gap.index as usize);
                let Some(bytes) = bytes.filter(|bytes| bytes.len() == gap.length) else {
                    return assert_eq!(whole, None);
                };
                out.splice(gap.at..gap.at, bytes.iter().copied());
            }
            assert_eq!(Some(&out[..]), whole);
        }
        // Map keys and terms of funs must not be out of band.
        Err(error) if whole.is_some() => {
            assert!(matches!(error.kind, EncodeErrorKind::Word(_)), "{error}");
        }
        Err(_) => (),
    }
}

fn check_readable(encoded: &[u8]) {
    let mut tape = Tape::default();
    match Decoder::new().decode(
        encoded,
        &DecodeOptions { exact: true, max_depth: 1_000_000, ..DecodeOptions::default() },
        &mut tape,
    ) {
        Ok(used) => assert_eq!(used, encoded.len(), "bytes follow the term"),
        // The encoder does not detect equal keys in two forms, or invalid funs.
        Err(error) => assert!(
            matches!(error.kind, DecodeErrorKind::DuplicateKey | DecodeErrorKind::Field(_)),
            "the encoding cannot be decoded: {error}"
        ),
    }
}
