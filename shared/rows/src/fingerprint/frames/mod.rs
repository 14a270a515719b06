//! Finds the frame of a stack trace that an error belongs to.
//!
//! Reads what the runtimes of Python, Java (and other JVM languages), JavaScript (V8, Firefox, Safari), Go, Rust, .NET, Ruby and
//! PHP print. Every line is read by itself, but for Go and Rust, which put the place on the line after the function.

mod line;
mod own;

use line::{function_line, one_line, place_line};
use own::is_own;

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'s> {
    /// As printed; a class file's name in Java.
    pub(super) file: &'s str,
    pub(super) function: &'s str,
    language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    Jvm,
    JavaScript,
    Go,
    Rust,
    DotNet,
    Ruby,
    Php,
}

/// Of a long stack, so much of its beginning and of its end is read: the error is at one of them.
const STACK_BYTES_EACH_END: usize = 32 * 1024;

/// The frame nearest to the error that is no library's, or the nearest one if all are; None if no frame is recognised.
pub(super) fn nearest(stack: &str) -> Option<Frame<'_>> {
    let mut nearest = None;
    let mut nearest_own = None;
    for frame in frames(stack) {
        if frame.language == Language::Python {
            // The most recent call comes last.
            nearest = Some(frame);
            if is_own(&frame) {
                nearest_own = Some(frame);
            }
            continue;
        }
        if is_own(&frame) {
            return Some(frame);
        }
        nearest = nearest.or(Some(frame));
    }
    nearest_own.or(nearest)
}

fn frames(stack: &str) -> impl Iterator<Item = Frame<'_>> {
    let mut pending = None;
    let lines = both_ends(stack).into_iter().flat_map(str::lines);
    // The empty line at the end lets go of a function that waits for its place.
    lines.chain([""]).flat_map(move |line| frames_of(line, &mut pending))
}

fn both_ends(stack: &str) -> [&str; 2] {
    if stack.len() <= 2 * STACK_BYTES_EACH_END {
        return [stack, ""];
    }
    let head = stack.floor_char_boundary(STACK_BYTES_EACH_END);
    let tail = stack.ceil_char_boundary(stack.len() - STACK_BYTES_EACH_END);
    [&stack[..head], &stack[tail..]]
}

/// The frames that a line makes known: a function that waited for its place, and the line's own.
///
/// `pending` is a function whose place may be on the next line.
fn frames_of<'s>(line: &'s str, pending: &mut Option<Frame<'s>>) -> impl Iterator<Item = Frame<'s>> + use<'s> {
    let waiting = pending.take();
    if let Some(file) = place_line(line)
        && let Some(function) = waiting
    {
        return [Some(Frame { file, ..function }), None].into_iter().flatten();
    }
    // A Rust function without a place is a frame all the same; what only might have been a Go function is none.
    let waited = waiting.filter(|frame| frame.language == Language::Rust);
    let own = one_line(line);
    if own.is_none() {
        *pending = function_line(line);
    }
    [waited, own].into_iter().flatten()
}
