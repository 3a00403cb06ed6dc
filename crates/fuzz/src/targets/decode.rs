//! Input: two bytes of options, a two-byte length, a message of that length, a second message.

use backwater_etf::{
    Binaries, DecodeError, DecodeOptions, Decoder, EncodeOptions, Encoder, KnownAtoms, Tape,
};

use crate::input::Input;
use crate::memory;

/// As `Decoder::decode` documents.
pub const MEMORY_PER_BYTE: usize = 192;
/// Includes the process-wide table of shapes.
pub const MEMORY_BESIDES: usize = 512 * 1024;

const VERSION: u8 = 131;

struct Few;

impl KnownAtoms for Few {
    fn is_known(&self, name: &str) -> bool {
        name.len() < 3
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = options(&mut input);
    let length = input.short();
    let (first, second) = (input.take(length), input.rest());
    let mut decoder = Decoder::new();
    let (_, before) = decode(&mut decoder, first, &options);
    let (after, _) = decode(&mut decoder, second, &options);
    let (alone, _) = decode(&mut Decoder::new(), second, &options);
    assert_eq!(after, alone, "decoding depends on what came before");
    let (again, tape) = decode(&mut decoder, first, &options);
    if again.is_ok() {
        assert_eq!(tape.words.len(), before.words.len(), "decoding depends on what came before");
    }
    check_modes(second);
}

fn check_modes(bytes: &[u8]) {
    let rewrite = |bytes: &[u8], exact, binaries| {
        let options = DecodeOptions { exact, binaries, ..DecodeOptions::default() };
        let (_, term) = decode(&mut Decoder::new(), bytes, &options).0.ok()?;
        Some([&[VERSION][..], &term].concat())
    };
    let Some(encoded) = rewrite(bytes, true, Binaries::Text) else { return };
    let again = rewrite(&encoded, true, Binaries::Text);
    assert_eq!(again.as_deref(), Some(&*encoded), "a term changes when it is read again");
    for binaries in [Binaries::Text, Binaries::Buffer] {
        let other = rewrite(bytes, false, binaries);
        assert_eq!(other.as_deref(), Some(&*encoded), "{binaries:?} differs from exact");
    }
}

fn options(input: &mut Input<'_>) -> DecodeOptions<'static> {
    let bits = input.byte();
    let chunk = input.pick(&[65_536, 1, 8, 100]);
    DecodeOptions {
        exact: bits & 1 != 0,
        known_atoms: if bits & 2 != 0 { Some(&Few) } else { None },
        binaries: [Binaries::Text, Binaries::Buffer, Binaries::String, Binaries::Text]
            [usize::from(bits >> 2 & 3)],
        max_depth: [100_000, 3, 50, 1_000_000][usize::from(bits >> 4 & 3)],
        max_terms: [16_777_216, 5, 100, 10_000][usize::from(bits >> 6 & 3)],
        max_value_size: usize::MAX,
        chunk,
        part: chunk as usize,
    }
}

type Decoded = Result<(usize, Vec<u8>), DecodeError>;

fn decode(decoder: &mut Decoder, bytes: &[u8], options: &DecodeOptions<'_>) -> (Decoded, Tape) {
    let limit = bytes.len() * MEMORY_PER_BYTE + MEMORY_BESIDES;
    let (decoded, tape) = memory::within(limit, "decoding", || {
        let mut tape = Tape::default();
        (decoder.decode(bytes, options, &mut tape), tape)
    });
    let decoded = decoded.map(|used| {
        assert!(used <= bytes.len(), "more bytes were used than given");
        let mut out = Vec::new();
        let encoded = Encoder::default().encode_term(
            tape.as_tape_ref(bytes),
            &EncodeOptions { max_depth: options.max_depth, ..EncodeOptions::default() },
            &mut out,
        );
        assert_eq!(encoded, Ok(()), "a decoded term cannot be encoded");
        (used, out)
    });
    if let Err(error) = &decoded {
        assert!(error.offset <= bytes.len(), "{error}");
    }
    (decoded, tape)
}
