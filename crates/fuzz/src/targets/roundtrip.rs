//! Input: a message.

use backwater_etf::{Binaries, DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};

const VERSION: u8 = 131;

pub fn run(data: &[u8]) {
    let Some(encoded) = rewrite(data, true, Binaries::Text) else { return };
    let again = rewrite(&encoded, true, Binaries::Text);
    assert_eq!(again.as_deref(), Some(&*encoded), "a term changes when it is read again");
    for binaries in [Binaries::Text, Binaries::Buffer] {
        let other = rewrite(data, false, binaries);
        assert_eq!(other.as_deref(), Some(&*encoded), "{binaries:?} differs from exact");
    }
}

fn rewrite(bytes: &[u8], exact: bool, binaries: Binaries) -> Option<Vec<u8>> {
    let mut tape = Tape::default();
    let options = DecodeOptions { exact, binaries, ..DecodeOptions::default() };
    Decoder::new().decode(bytes, &options, &mut tape).ok()?;
    let mut out = vec![VERSION];
    let tape = tape.as_tape_ref(bytes);
    let encoded = Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out);
    assert_eq!(encoded, Ok(()), "a decoded term cannot be encoded");
    Some(out)
}
