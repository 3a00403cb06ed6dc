//! Generates the numbers of TypeScript: `npm run numbers` writes them, and this test fails until it
//! has run.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use backwater_etf::Number;
use backwater_etf::tape::{self, frame};

#[path = "../../node/src/numbers.rs"]
#[allow(dead_code, unreachable_pub)]
mod bridge;

fn files() -> [(PathBuf, String); 3] {
    let mut codec = head("crates/etf/src/tape.rs, where the grammar of the tape stands");
    for (title, numbers) in [
        ("Tags: the low four bits of a word. The others are its payload.", tape::TAGS),
        ("Payloads of CONST.", tape::CONSTANTS),
        ("Kinds of EXT: the low four bits of its payload.", tape::KINDS),
        ("What all keys of a map are: the low two bits of its payload.", tape::KEYS),
        ("Forms of text in tapes from JavaScript.", tape::FORMS),
        ("Shapes.", tape::SHAPES),
        (
            "Limits, and the bit of a place in the source that makes it an index out of band.",
            tape::LIMITS,
        ),
        ("How deep terms may be nested.", tape::DEPTHS),
    ] {
        constants(&mut codec, title, numbers);
    }
    object(&mut codec, "Frame", "The words of the header of a tape, in order.", frame::FIELDS);
    length(&mut codec, "FRAME_WORDS", frame::LENGTH);

    let mut bridge = head("crates/node/src/numbers.rs");
    constants(&mut bridge, "Kinds of events.", bridge::EVENTS);
    object(
        &mut bridge,
        "EventWord",
        "The words of an event's header, in order.",
        bridge::event::FIELDS,
    );
    length(&mut bridge, "EVENT_WORDS", bridge::event::LENGTH);
    constants(&mut bridge, "Kinds of jobs.", bridge::JOBS);
    constants(&mut bridge, "Classes of exceptions.", bridge::CLASSES);
    object(&mut bridge, "JobWord", "The words of a job's header, in order.", bridge::job::FIELDS);
    length(&mut bridge, "JOB_WORDS", bridge::job::LENGTH);

    let mut control = head("crates/node/src/numbers.rs");
    object(
        &mut control,
        "EncoderWord",
        "The words of an encoder's control block.",
        bridge::encoder::FIELDS,
    );
    length(&mut control, "ENCODER_WORDS", bridge::encoder::LENGTH_OF_BLOCK);
    object(
        &mut control,
        "DecoderWord",
        "The words of a decoder's control block.",
        bridge::decoder::FIELDS,
    );
    length(&mut control, "DECODER_WORDS", bridge::decoder::LENGTH_OF_BLOCK);
    constants(&mut control, "How to decode and to call.", bridge::FLAGS);

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    [
        (root.join("src/codec/tape.ts"), codec),
        (root.join("src/codec/control.ts"), control),
        (root.join("src/bridge/numbers.ts"), bridge),
    ]
}

fn head(source: &str) -> String {
    format!("// Generated from {source}. Run `npm run numbers` after a change there.\n")
}

fn constants(out: &mut String, title: &str, numbers: &[Number]) {
    writeln!(out, "\n// {title}").unwrap();
    for Number { name, doc, value } in numbers {
        comment(out, "", doc);
        writeln!(out, "export const {name} = {value};").unwrap();
    }
}

fn object(out: &mut String, name: &str, title: &str, numbers: &[Number]) {
    writeln!(out, "\n/** {title} */\nexport const {name} = {{").unwrap();
    for Number { name, doc, value } in numbers {
        comment(out, "  ", doc);
        writeln!(out, "  {}: {value},", camel_case(name)).unwrap();
    }
    writeln!(out, "}} as const;").unwrap();
}

fn length(out: &mut String, name: &str, length: usize) {
    writeln!(out, "export const {name} = {length};").unwrap();
}

fn comment(out: &mut String, indent: &str, doc: &str) {
    if !doc.is_empty() {
        writeln!(out, "{indent}/** {} */", doc.trim()).unwrap();
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_').map(str::to_lowercase);
    let mut out = words.next().unwrap_or_default();
    for word in words {
        out.push_str(&word[..1].to_uppercase());
        out.push_str(&word[1..]);
    }
    out
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn typescript_has_the_same_numbers() {
    for (path, expected) in files() {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{} is out of date: run `npm run numbers`", path.display());
    }
}

/// For `npm run numbers`.
#[test]
#[ignore = "writes files"]
fn write() {
    for (path, content) in files() {
        std::fs::write(path, content).unwrap();
    }
}
