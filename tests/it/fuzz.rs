//! The corpus of each fuzz target, replayed; and a little fuzzing of our own, on corpus inputs that a fixed seed mutates.
//!
//! Long runs, which look for inputs that reach new code, are `make fuzz`. What they find goes into the corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::fuzz::{LIGHT, Sql};

const ROUNDS_LIGHT: usize = 4_000;
const ROUNDS_SQL: usize = 300;
/// Mutations of one input.
const MUTATIONS_MAX: usize = 5;
/// Bytes that one mutation moves.
const PIECE_MAX: usize = 64;
/// Bytes that mean something to somebody: ends, signs, quotes, brackets, tags.
const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff\"'\\{}[]():,;*-0$ \n\x08\x0a\x12\x1a\x0b\x0c";

fn corpus(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// On a panic says which input it was, and keeps it.
fn tried(what: &str, input: &[u8], check: impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let kept = std::env::temp_dir().join("plimsoll-fuzz-input");
        fs::write(&kept, input).unwrap();
        eprintln!("it was {what}, kept in {}", kept.display());
        resume_unwind(panic);
    }
}

fn replayed(inputs: &[(PathBuf, Vec<u8>)], check: impl Fn(&[u8])) {
    for (file, input) in inputs {
        tried(&file.display().to_string(), input, &check);
    }
}

fn fuzzed(inputs: &[(PathBuf, Vec<u8>)], rounds: usize, check: impl Fn(&[u8])) {
    let mut draw = StdRng::seed_from_u64(1);
    for round in 0..rounds {
        let input = mutated(inputs, &mut draw);
        tried(&format!("round {round}"), &input, &check);
    }
}

fn mutated(inputs: &[(PathBuf, Vec<u8>)], draw: &mut StdRng) -> Vec<u8> {
    let mut input = inputs[draw.random_range(0..inputs.len())].1.clone();
    for _ in 0..draw.random_range(1..=MUTATIONS_MAX) {
        let at = draw.random_range(0..=input.len());
        let end = input.len().min(at + draw.random_range(1..=PIECE_MAX));
        match draw.random_range(0..6) {
            0 if at < end => input[at] = TELLING[draw.random_range(0..TELLING.len())],
            1 if at < end => input[at] ^= 1 << draw.random_range(0..8),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let to = draw.random_range(0..=input.len());
                input.splice(to..to, piece);
            }
            4 => {
                let other = &inputs[draw.random_range(0..inputs.len())].1;
                let from = draw.random_range(0..=other.len());
                let piece = &other[from..other.len().min(from + PIECE_MAX)];
                input.splice(at..at, piece.iter().copied());
            }
            5 if draw.random_range(0..4) == 0 => input.truncate(at),
            _ => {}
        }
    }
    input
}

/// The corpus, and what is made of it.
fn light(name: &str) {
    let (name, check) = LIGHT.into_iter().find(|(known, _)| *known == name).unwrap();
    let inputs = corpus(&format!("fuzz/corpus/{name}"));
    replayed(&inputs, check);
    fuzzed(&inputs, ROUNDS_LIGHT, check);
}

#[test]
fn any_bytes_as_a_protobuf_request() {
    light("protobuf");
}

#[test]
fn any_bytes_as_a_json_request() {
    light("json");
}

#[test]
fn any_bytes_as_a_compressed_body() {
    light("inflate");
}

#[test]
fn any_bytes_as_a_segment() {
    light("segment");
}

#[test]
fn any_text_as_a_question() {
    let sql = Sql::new();
    let mut inputs = corpus("fuzz/corpus/sql");
    inputs.extend(corpus("fixtures/workload"));
    replayed(&inputs, |input| sql.check(input));
    fuzzed(&inputs, ROUNDS_SQL, |input| sql.check(input));
}
