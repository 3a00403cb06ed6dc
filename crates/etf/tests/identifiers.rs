#![allow(clippy::unwrap_used)]

use backwater_etf::{DecodeErrorKind as Kind, DecodeOptions, Decoder, Tape};

const NODE: &[u8] = b"w\x03a@b";
const ZERO: &[u8] = &[0; 4];
const CREATION: Result<(), Kind> = Err(Kind::Field("the creation of an identifier in an old form"));
const FIRST_ID: Result<(), Kind> = Err(Kind::Field("the first id of a reference in an old form"));

fn decode(term: &[&[u8]]) -> Result<(), Kind> {
    let bytes = [&[131], term.concat().as_slice()].concat();
    let mut tape = Tape::default();
    let result = Decoder::new().decode(&bytes, &DecodeOptions::default(), &mut tape);
    result.map(|used| assert_eq!(used, bytes.len())).map_err(|error| error.kind)
}

#[test]
fn a_creation_of_one_byte_has_two_bits() {
    for (creation, expected) in [(0, Ok(())), (3, Ok(())), (4, CREATION), (255, CREATION)] {
        let last = &[creation][..];
        assert_eq!(decode(&[&[103], NODE, ZERO, ZERO, last]), expected);
        assert_eq!(decode(&[&[102], NODE, ZERO, last]), expected);
        assert_eq!(decode(&[&[101], NODE, ZERO, last]), expected);
        assert_eq!(decode(&[&[114, 0, 1], NODE, last, ZERO]), expected);
    }
}

#[test]
fn a_creation_of_four_bytes_has_all_its_bits() {
    let last = &[0xff; 4][..];
    assert_eq!(decode(&[&[88], NODE, ZERO, ZERO, last]), Ok(()));
    assert_eq!(decode(&[&[89], NODE, ZERO, last]), Ok(()));
    assert_eq!(decode(&[&[120], NODE, ZERO, ZERO, last]), Ok(()));
    assert_eq!(decode(&[&[90, 0, 1], NODE, last, ZERO]), Ok(()));
}

#[test]
fn the_first_id_of_an_old_reference_has_18_bits() {
    for (id, expected) in [(0x3_ffff_u32, Ok(())), (0x4_0000, FIRST_ID), (u32::MAX, FIRST_ID)] {
        let id = &id.to_be_bytes()[..];
        assert_eq!(decode(&[&[101], NODE, id, &[1]]), expected);
        assert_eq!(decode(&[&[114, 0, 2], NODE, &[1], id, ZERO]), expected);
        assert_eq!(decode(&[&[114, 0, 2], NODE, &[1], ZERO, id]), Ok(()));
        assert_eq!(decode(&[&[90, 0, 2], NODE, ZERO, id, id]), Ok(()));
    }
}

#[test]
fn a_fun_starts_with_integers_and_a_pid() {
    let old_pid = [&[103], NODE, ZERO, ZERO, &[0]].concat();
    let new_pid = [&[88], NODE, ZERO, ZERO, ZERO].concat();
    let port = [&[89], NODE, ZERO, ZERO].concat();
    let integer: &[u8] = &[98, 0xff, 0xff, 0xff, 0xff];
    for (old_index, old_uniq, creator, wrong) in [
        (&[97, 1][..], &[97, 2][..], &old_pid[..], None),
        (integer, integer, &new_pid[..], None),
        (&[110, 1, 0, 5], &[97, 2], &new_pid[..], Some("the old index of a fun")),
        (&[97, 1], NODE, &new_pid[..], Some("the old uniq of a fun")),
        (&[97, 1], integer, &port[..], Some("the creator of a fun")),
        (integer, &[97, 1], NODE, Some("the creator of a fun")),
    ] {
        let rest = [NODE, old_index, old_uniq, creator].concat();
        let fixed = [&[1][..], &[9; 16], ZERO, ZERO].concat();
        let size = (4 + fixed.len() + rest.len()) as u32;
        let expected = wrong.map_or(Ok(()), |field| Err(Kind::Field(field)));
        assert_eq!(decode(&[&[112], &size.to_be_bytes(), &fixed, &rest]), expected);
    }
}
