//! Printing, parsing and compression of terms for JavaScript.

use backwater_etf::notation::{self, Language, PrintOptions};
use backwater_etf::{InflateLimits, deflate, inflate};
use napi::bindgen_prelude::{Buffer, Utf16String};
use napi::{Error, Result};
use napi_derive::napi;

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct NotationOptions {
    pub elixir: bool,
    pub charlists: bool,
    pub structs: bool,
    /// Deeper terms are printed as `...`, and binaries as at most 32 bytes.
    pub max_depth: Option<u32>,
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ParsedTerm {
    pub encoded: Option<Buffer>,
    pub message: Option<String>,
    /// From 1; 0 without an error.
    pub line: u32,
    /// In characters, from 1; 0 without an error.
    pub column: u32,
}

#[napi(catch_unwind)]
pub fn print_term(encoded: &[u8], options: NotationOptions) -> Result<String> {
    let options = PrintOptions {
        language: if options.elixir { Language::Elixir } else { Language::Erlang },
        charlists: options.charlists,
        structs: options.structs,
        max_depth: options.max_depth.map(|depth| depth as usize),
    };
    notation::print(encoded, &options).map_err(|error| Error::from_reason(error.to_string()))
}

/// Undefined if the bytes are not a compressed term.
#[napi(catch_unwind)]
pub fn inflate_term(bytes: &[u8], max_size: u32, max_ratio: u32) -> Result<Option<Buffer>> {
    let limits = InflateLimits { max_size: max_size as usize, max_ratio: max_ratio as usize };
    let inflated = inflate(bytes, limits).map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(inflated.map(Buffer::from))
}

/// `level` is 1 to 9; undefined if the term does not become smaller.
#[napi(catch_unwind)]
pub fn deflate_term(encoded: &[u8], level: u32) -> Option<Buffer> {
    deflate(encoded, level).map(Buffer::from)
}

#[napi(catch_unwind)]
pub fn parse_erlang(text: Utf16String, max_depth: u32) -> ParsedTerm {
    match notation::from_erlang_utf16(&text, max_depth) {
        Ok(encoded) => {
            ParsedTerm { encoded: Some(encoded.into()), message: None, line: 0, column: 0 }
        }
        Err(error) => ParsedTerm {
            encoded: None,
            line: u32::try_from(error.line).unwrap_or(u32::MAX),
            column: u32::try_from(error.column).unwrap_or(u32::MAX),
            message: Some(error.to_string()),
        },
    }
}
