//! What happens on a panic where the code under test catches panics itself.

use std::collections::HashSet;
use std::panic::{self, Location};
use std::sync::Mutex;

/// Reports each place that panics once, and lets the panic go on: whoever catches it may; uncaught it ends the run.
///
/// The hook of libfuzzer-sys, which goes, aborts at once, also in what `rows::segment` means to catch.
pub fn tell_each_place_once() {
    let told: Mutex<HashSet<String>> = Mutex::default();
    drop(panic::take_hook());
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let place = panicked.location().map(Location::to_string).unwrap_or_default();
        if told.lock().is_ok_and(|mut told| told.insert(place)) {
            default_hook(panicked);
        }
    }));
}
