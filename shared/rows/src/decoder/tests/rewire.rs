//! Random messages on the wire as no encoder writes them, though protobuf reads them: the decoder reads what protobuf reads.
//!
//! Fields in any order, given twice, unknown, of another wire type; messages in two pieces; lists of numbers packed and not;
//! numbers longer than they need be.

use std::collections::BTreeMap;

use model::Signal;
use otlp::wire::Fields;

use super::differential::{assert_same, bodies, expected, without_series};
use super::generate::Generator;
use super::shape::{Inner, Shape, request};
use super::{Row, decode};

/// A field of a message, taken apart.
#[derive(Clone, Debug)]
struct Field {
    number: u32,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Varint(u64),
    Eight(u64),
    Four(u32),
    Bytes(Vec<u8>),
}

fn parse(message: &[u8]) -> Vec<Field> {
    const VALID: &str = "an encoder wrote it";
    let mut fields = Fields::new(message);
    let mut parsed = Vec::new();
    while let Some(tag) = fields.tag().expect(VALID) {
        let content = match tag & 7 {
            0 => Content::Varint(fields.varint().expect(VALID)),
            1 => Content::Eight(fields.fixed64().expect(VALID)),
            2 => Content::Bytes(fields.bytes().expect(VALID).to_vec()),
            5 => Content::Four(fields.fixed32().expect(VALID)),
            other => panic!("no encoder writes wire type {other}"),
        };
        parsed.push(Field { number: tag >> 3, content });
    }
    parsed
}

/// How numbers are written that say where things are and how long.
trait Numbers {
    fn number(&mut self, out: &mut Vec<u8>, number: u64);

    fn field(&mut self, out: &mut Vec<u8>, field: &Field) {
        let wire_type = match field.content {
            Content::Varint(_) => 0,
            Content::Eight(_) => 1,
            Content::Bytes(_) => 2,
            Content::Four(_) => 5,
        };
        self.number(out, u64::from(field.number << 3 | wire_type));
        match &field.content {
            Content::Varint(number) => self.number(out, *number),
            Content::Eight(number) => out.extend_from_slice(&number.to_le_bytes()),
            Content::Four(number) => out.extend_from_slice(&number.to_le_bytes()),
            Content::Bytes(content) => {
                self.number(out, content.len() as u64);
                out.extend_from_slice(content);
            }
        }
    }
}

/// As short as can be, as encoders do.
struct Short;

impl Numbers for Short {
    fn number(&mut self, out: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
}

/// Sometimes longer than need be, up to the ten bytes that protobuf reads.
impl Numbers for Generator {
    fn number(&mut self, out: &mut Vec<u8>, number: u64) {
        let start = out.len();
        Short.number(out, number);
        let room = 10 - (out.len() - start);
        if room > 0 && self.one_in(8) {
            *out.last_mut().expect("at least one byte") |= 0x80;
            out.extend(vec![0x80; self.below(room)]);
            out.push(0);
        }
    }
}

impl Generator {
    /// The message as protobuf reads it too; what it says may be another thing than before.
    fn rewired(&mut self, shape: &Shape, message: &[u8]) -> Vec<u8> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for field in parse(message) {
            for field in self.spelled(shape, field) {
                let mut piece = Vec::new();
                self.field(&mut piece, &field);
                pieces.push(piece);
            }
            if self.one_in(8) {
                pieces.push(self.unknown(2));
            }
        }
        if self.one_in(2) {
            for at in (1..pieces.len()).rev() {
                let other = self.below(at + 1);
                pieces.swap(at, other);
            }
        }
        pieces.concat()
    }

    /// The fields that stand for one.
    fn spelled(&mut self, shape: &Shape, field: Field) -> Vec<Field> {
        let Field { number, content } = field;
        let with = |content: Vec<u8>| Field { number, content: Content::Bytes(content) };
        match (shape.inner(number), content) {
            (Inner::One(inner), Content::Bytes(message)) if self.one_in(3) => {
                let fields = parse(&message);
                let (first, second) = fields.split_at(self.below(fields.len() + 1));
                [first, second].map(|half| with(self.rewired(inner, &written(half)))).into()
            }
            (Inner::One(inner) | Inner::Value(inner) | Inner::Many(inner), Content::Bytes(message)) => {
                vec![with(self.rewired(inner, &message))]
            }
            (Inner::Fixed64s, Content::Bytes(packed)) => {
                let eights =
                    packed.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().expect("of eight")));
                self.unpacked(number, eights.map(Content::Eight).collect())
            }
            (Inner::Varints, Content::Bytes(packed)) => {
                let mut numbers = Fields::new(&packed);
                let mut varints = Vec::new();
                while !numbers.is_at_end() {
                    varints.push(Content::Varint(numbers.varint().expect("an encoder wrote it")));
                }
                self.unpacked(number, varints)
            }
            (_, content) if self.one_in(6) => {
                let other = match content {
                    // Beyond 32 bits, of which most fields keep the lower half.
                    Content::Varint(_) => Content::Varint((self.below(4) as u64) << 32 | self.below(4) as u64),
                    Content::Eight(number) => Content::Eight(number ^ 1),
                    Content::Four(number) => Content::Four(number ^ 1),
                    // A key of its own, where it becomes one.
                    Content::Bytes(_) => Content::Bytes(format!("other {}", self.below(1 << 30)).into_bytes()),
                };
                vec![Field { number, content: other }, Field { number, content }]
            }
            (_, content) => vec![Field { number, content }],
        }
    }

    /// Numbers one by one and packed, in as many pieces as it happens.
    fn unpacked(&mut self, number: u32, contents: Vec<Content>) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut rest = &contents[..];
        while !rest.is_empty() {
            let (some, others) = rest.split_at(1 + self.below(rest.len()));
            rest = others;
            if self.one_in(2) {
                fields.extend(some.iter().map(|content| Field { number, content: content.clone() }));
                continue;
            }
            let mut packed = Vec::new();
            for content in some {
                match content {
                    Content::Varint(value) => self.number(&mut packed, *value),
                    Content::Eight(value) => packed.extend_from_slice(&value.to_le_bytes()),
                    other => panic!("no list has {other:?}"),
                }
            }
            fields.push(Field { number, content: Content::Bytes(packed) });
        }
        fields
    }

    /// A field that no version of OTLP has.
    fn unknown(&mut self, depth: usize) -> Vec<u8> {
        let number = [500, 2_000, (1 << 29) - 1][self.below(3)];
        let content = match self.below(5) {
            0 => Content::Varint(u64::MAX),
            1 => Content::Eight(7),
            2 => Content::Four(7),
            3 => Content::Bytes(b"unknown".to_vec()),
            _ => {
                let mut group = Vec::new();
                self.number(&mut group, number << 3 | 3);
                for _ in 0..self.below(depth + 1) {
                    group.extend(self.unknown(depth - 1));
                }
                self.number(&mut group, number << 3 | 4);
                return group;
            }
        };
        let mut piece = Vec::new();
        self.field(&mut piece, &Field { number: number as u32, content });
        piece
    }

    /// The same message with fields of wire types that their numbers do not have.
    fn with_wrong_types(&mut self, shape: &Shape, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for Field { number, content } in parse(message) {
            let wrong = match (shape.inner(number), &content) {
                (Inner::Varints | Inner::Fixed64s, _) => Content::Four(7),
                (_, Content::Varint(_)) => Content::Eight(7),
                (_, Content::Eight(_)) => Content::Bytes(b"wrong".to_vec()),
                (_, Content::Four(_) | Content::Bytes(_)) => Content::Varint(7),
            };
            let content = match (shape.inner(number), content) {
                (Inner::One(inner) | Inner::Value(inner) | Inner::Many(inner), Content::Bytes(message)) => {
                    Content::Bytes(self.with_wrong_types(inner, &message))
                }
                (_, content) => content,
            };
            let mut fields = vec![Field { number, content }];
            if self.one_in(4) {
                fields.insert(self.below(2), Field { number, content: wrong });
            }
            fields.iter().for_each(|field| Short.field(&mut out, field));
        }
        out
    }
}

fn written(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|field| Short.field(&mut out, field));
    out
}

/// Differs where the bytes are not how an encoder writes them.
fn without_size(mut rows: Vec<Row>) -> Vec<Row> {
    rows.iter_mut().for_each(|row| drop(row.remove("message_size_bytes")));
    rows
}

#[test]
fn whatever_protobuf_reads_is_read_alike() {
    let mut n_rows = 0;
    for seed in 0..2_000 {
        let mut generator = Generator::new(seed ^ 0xbeef);
        for (signal, wire, _) in bodies(seed) {
            let rewired = generator.rewired(request(signal), &wire);
            let expected =
                expected(signal, &rewired).unwrap_or_else(|| panic!("seed {seed}: protobuf does not read it"));
            let (rows, outcome) = decode(signal, &rewired).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            n_rows += rows.len();
            assert_same(&format!("seed {seed}, {signal:?}"), &without_size(rows), &without_size(expected.rows));
            assert_eq!(outcome.rejected, expected.rejected, "seed {seed}, {signal:?}");
        }
    }
    assert!(n_rows > 5_000, "{n_rows} rows are too few to say anything");
}

#[test]
fn fields_of_another_wire_type_are_skipped() {
    let mut n_wrong = 0;
    for seed in 0..300 {
        let mut generator = Generator::new(seed ^ 0xfeed);
        for (signal, wire, _) in bodies(seed) {
            let wrong = generator.with_wrong_types(request(signal), &wire);
            n_wrong += usize::from(expected(signal, &wrong).is_none());
            let (rows, outcome) = decode(signal, &wrong).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let (wanted, wanted_outcome) = decode(signal, &wire).expect("an encoder wrote it");
            assert_same(&format!("seed {seed}, {signal:?}"), &without_size(rows), &without_size(wanted));
            assert_eq!(outcome, wanted_outcome, "seed {seed}, {signal:?}");
        }
    }
    assert!(n_wrong > 300, "protobuf refuses {n_wrong} of them, too few to say anything");
}

/// Messages without one of the fields that are somewhere in them, with the field's message and number.
fn without_one(shape: &'static Shape, message: &[u8], each: &mut dyn FnMut(&'static str, u32, Vec<u8>)) {
    let fields = parse(message);
    for at in 0..fields.len() {
        let number = fields[at].number;
        let put_back = |content: Option<Vec<u8>>| {
            let mut fields = fields.clone();
            match content {
                Some(content) => fields[at].content = Content::Bytes(content),
                None => drop(fields.remove(at)),
            }
            written(&fields)
        };
        each(shape.name, number, put_back(None));
        if let (Inner::One(inner) | Inner::Value(inner) | Inner::Many(inner), Content::Bytes(message)) =
            (shape.inner(number), &fields[at].content)
        {
            without_one(inner, message, &mut |name, number, inner| each(name, number, put_back(Some(inner))));
        }
    }
}

#[test]
fn every_field_of_every_message_tells_in_the_rows() {
    let mut tells: BTreeMap<(&str, u32), bool> = BTreeMap::new();
    for signal in Signal::ALL {
        for shape in request(signal).all() {
            tells.extend(shape.fields.iter().map(|(number, _)| ((shape.name, *number), false)));
        }
    }
    for seed in 0..150 {
        for (signal, wire, _) in bodies(seed) {
            let whole = decode(signal, &wire).expect("an encoder wrote it");
            let whole = without_size(without_series(whole.0));
            without_one(request(signal), &wire, &mut |name, number, less| {
                let told = tells.get_mut(&(name, number)).expect("a field of the shape");
                if !*told {
                    let less = decode(signal, &less).expect("still valid").0;
                    *told = without_size(without_series(less)) != whole;
                }
            });
        }
    }
    let silent: Vec<_> = tells.iter().filter(|(_, told)| !**told).map(|(field, _)| field).collect();
    assert!(silent.is_empty(), "no column tells of {silent:?}");
    assert!(tells.len() > 100, "{}", tells.len());
}
