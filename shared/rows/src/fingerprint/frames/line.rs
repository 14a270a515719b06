//! What one line of a stack trace says.

use super::{Frame, Language};

/// `\t/app/cart.go:17 +0x1d`, `             at ./src/cart.rs:17:5`: the file.
pub(super) fn place_line(line: &str) -> Option<&str> {
    if !line.starts_with(char::is_whitespace) {
        return None;
    }
    let place = line.trim();
    let place = place.strip_prefix("at ").unwrap_or(place);
    let place = place.split(" +0x").next().unwrap_or(place);
    let file = without_position(place);
    (file.len() < place.len() && (file.ends_with(".go") || file.ends_with(".rs"))).then_some(file)
}

/// `main.(*Cart).Add(0xc0000b2000, ...)`, `created by main.main in goroutine 1`, `   1: shop::cart::add`
pub(super) fn function_line(line: &str) -> Option<Frame<'_>> {
    let trimmed = line.trim();
    if let Some((number, function)) = trimmed.split_once(": ")
        && !number.is_empty()
        && number.bytes().all(|c| c.is_ascii_digit())
    {
        let function =
            function.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(function, |(name, _)| name);
        return Some(Frame { file: "", function, language: Language::Rust });
    }
    if line.starts_with(char::is_whitespace) || !trimmed.contains('.') || trimmed.ends_with(':') {
        return None;
    }
    let function = trimmed.strip_prefix("created by ").unwrap_or(trimmed);
    let function = function.split(" in goroutine ").next().unwrap_or(function);
    // The arguments stand in the last pair of parentheses.
    let function =
        if function.ends_with(')') { function.rsplit_once('(').map_or(function, |(name, _)| name) } else { function };
    (!function.contains(' ')).then_some(Frame { file: "", function, language: Language::Go })
}

/// A frame that stands on one line.
pub(super) fn one_line(line: &str) -> Option<Frame<'_>> {
    // Python draws a bar before what is in a group of exceptions.
    let line = line.trim().trim_start_matches("| ").trim_start();
    python(line).or_else(|| php(line)).or_else(|| ruby(line)).or_else(|| at(line)).or_else(|| firefox(line))
}

/// `File "/app/shop/views.py", line 42, in checkout`
fn python(line: &str) -> Option<Frame<'_>> {
    let (file, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let function = rest.split_once(", in ").map_or("<module>", |(_, function)| function);
    Some(Frame { file, function, language: Language::Python })
}

/// `#0 /app/src/Cart.php(17): Shop\Cart->add(Object(Item))`
fn php(line: &str) -> Option<Frame<'_>> {
    let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
    if number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (place, call) = rest.split_once(": ")?;
    let file = place.rsplit_once('(').map_or(place, |(file, _)| file);
    let function = call.split('(').next().unwrap_or(call);
    Some(Frame { file, function, language: Language::Php })
}

/// ``/app/models/cart.rb:17:in `add'``, `/app/models/cart.rb:17:in 'Cart#add'`, with or without `from` before it
fn ruby(line: &str) -> Option<Frame<'_>> {
    let line = line.strip_prefix("from ").unwrap_or(line);
    let (place, function) = line.split_once(":in ")?;
    let function = function.strip_prefix(['`', '\''])?;
    let function = function.strip_suffix('\'').unwrap_or(function);
    let file = without_position(place);
    (file.len() < place.len()).then_some(Frame { file, function, language: Language::Ruby })
}

/// Lines that begin with `at `: JavaScript in V8, the JVM, .NET.
fn at(line: &str) -> Option<Frame<'_>> {
    let call = line.strip_prefix("at ")?;
    dot_net_with_place(call).or_else(|| v8(call)).or_else(|| jvm(call)).or_else(|| dot_net(call))
}

/// `Shop.Cart.Add(Item item) in /src/Cart.cs:line 42`
fn dot_net_with_place(call: &str) -> Option<Frame<'_>> {
    let (call, place) = call.split_once(") in ")?;
    let (file, _) = place.rsplit_once(":line ")?;
    let function = call.split('(').next().unwrap_or(call);
    Some(Frame { file, function, language: Language::DotNet })
}

/// `checkout (/app/src/cart.js:10:15)`, `async Foo.bar [as baz] (file:///app/x.mjs:1:2)`, `/app/src/cart.js:10:15`
fn v8(call: &str) -> Option<Frame<'_>> {
    let call = call.strip_prefix("async ").unwrap_or(call);
    let (function, place) = match call.strip_suffix(')').and_then(|call| call.split_once(" (")) {
        Some((function, place)) => (function, place),
        None => ("<anonymous>", call),
    };
    let file = without_position(place);
    // Line and column: nobody else prints both here.
    if file.len() == place.len() || without_one_position(place).len() == file.len() {
        return None;
    }
    let function = function.split(" [as ").next().unwrap_or(function);
    let file = file.split('?').next().unwrap_or(file);
    Some(Frame { file, function, language: Language::JavaScript })
}

/// `com.shop.Cart.add(Cart.java:17)`, `java.base/java.util.ArrayList.forEach(ArrayList.java:1511)`, `a.B.c(Native Method)`
fn jvm(call: &str) -> Option<Frame<'_>> {
    let (function, rest) = call.split_once('(')?;
    let (place, _) = rest.split_once(')')?;
    let file = place.split(':').next().unwrap_or(place);
    let is_jvm = matches!(file, "Native Method" | "Unknown Source" | "SourceFile" | "<generated>")
        || [".java", ".kt", ".kts", ".scala", ".groovy", ".clj"].iter().any(|ending| file.ends_with(ending));
    // The class loader and the module stand before a slash.
    let function = function.rsplit_once('/').filter(|(_, name)| name.contains('.')).map_or(function, |(_, name)| name);
    is_jvm.then_some(Frame { file, function, language: Language::Jvm })
}

/// ``System.Collections.Generic.List`1.get_Item(Int32 index)``
fn dot_net(call: &str) -> Option<Frame<'_>> {
    let (function, _) = call.split_once('(')?;
    let is_name = function.contains('.') && !function.contains(['/', ' ']);
    (is_name && call.ends_with(')')).then_some(Frame { file: "", function, language: Language::DotNet })
}

/// `checkout@https://shop.example/static/app.js:10:15`
fn firefox(line: &str) -> Option<Frame<'_>> {
    let (function, place) = line.split_once('@')?;
    let file = without_position(place);
    if file.len() == place.len() || !place.contains("://") || function.contains(' ') {
        return None;
    }
    let function = if function.is_empty() { "<anonymous>" } else { function };
    let file = file.split('?').next().unwrap_or(file);
    Some(Frame { file, function, language: Language::JavaScript })
}

/// Without `:17` or `:17:5` at the end.
fn without_position(place: &str) -> &str {
    without_one_position(without_one_position(place))
}

fn without_one_position(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((file, number)) if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) => file,
        _ => place,
    }
}
