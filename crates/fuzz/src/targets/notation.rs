//! Input: a byte of options, then text or an encoded term.

use backwater_etf::notation::{Language, PrintOptions, from_erlang, print};
use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};

use crate::input::Input;
use crate::memory;

/// Per byte of input.
const MEMORY_PER_BYTE: usize = 192;
/// Binaries may always have 1 MiB.
const MEMORY_BESIDES: usize = 8 * 1024 * 1024;
const MAX_DEPTH: u32 = 1000;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.byte();
    let rest = input.rest();
    let options = |language| PrintOptions {
        language,
        charlists: bits & 1 != 0,
        structs: bits & 2 != 0,
        max_depth: (bits & 4 != 0).then_some(8),
    };
    let limit = rest.len() * MEMORY_PER_BYTE + MEMORY_BESIDES;
    for language in [Language::Erlang, Language::Elixir] {
        let _ = memory::within(limit, "printing", || print(rest, &options(language)));
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let parsed = memory::within(limit, "parsing", || from_erlang(text, MAX_DEPTH));
    let encoded = match parsed {
        Ok(encoded) => encoded,
        Err(error) => {
            assert!(error.line <= text.len() + 1 && error.column <= text.len() + 1, "{error}");
            return;
        }
    };
    let Some(term) = canonical(&encoded) else { return };
    let whole = PrintOptions { max_depth: None, ..options(Language::Erlang) };
    let printed = print(&term, &whole).expect("an encoded term can be printed");
    assert!(print(&term, &PrintOptions { language: Language::Elixir, ..whole }).is_ok());
    let again = from_erlang(&printed, MAX_DEPTH).ok().and_then(|encoded| canonical(&encoded));
    assert_eq!(again.as_ref(), Some(&term), "{printed}");
}

fn canonical(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut tape = Tape::default();
    let options = DecodeOptions { exact: true, ..DecodeOptions::default() };
    Decoder::new().decode(encoded, &options, &mut tape).ok()?;
    let mut out = vec![131];
    let options = EncodeOptions::default();
    Encoder::default().encode_term(tape.as_tape_ref(encoded), &options, &mut out).ok()?;
    Some(out)
}
