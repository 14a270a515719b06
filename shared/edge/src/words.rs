//! Serde's errors name Rust's types; here they become words that mean something to whoever wrote the JSON or the URL.

/// Rust's name of what was expected, and ours.
const EXPECTED: [(&str, &str); 9] = [
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, 0 or more"),
    ("usize", "a whole number, 0 or more"),
    ("i64", "a whole number"),
    ("f64", "a number"),
    ("a boolean", "true or false"),
    ("a sequence", "a list"),
    ("a map", "an object"),
];
/// Serde's words for what was found or done, and ours; each begins a message.
const FOUND: [(&str, &str); 5] = [
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: object"),
    ("invalid length ", "wrong number of values: "),
    ("unknown variant ", "unknown value "),
    ("invalid type: unit value", "invalid type: null"),
];

/// An error of a JSON value.
pub(crate) fn plain(text: &str) -> String {
    let (found, expected) = text.rsplit_once(", expected ").map_or((text, None), |(found, rest)| (found, Some(rest)));
    let told = FOUND.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", found.strip_prefix(theirs)?)));
    let found = told.unwrap_or_else(|| found.to_owned());
    match expected {
        None => found,
        Some(expected) => {
            let is_struct = ["struct ", "internally tagged enum ", "adjacently tagged enum "]
                .iter()
                .any(|name| expected.starts_with(name));
            let ours = EXPECTED.iter().find(|(theirs, _)| *theirs == expected).map(|(_, ours)| *ours);
            format!("{found}, expected {}", ours.unwrap_or(if is_struct { "an object" } else { expected }))
        }
    }
}

/// An error of the parameters after the `?`, as axum words it.
pub(crate) fn query(text: &str) -> String {
    let what = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    // Of `str::parse`, after the name of the parameter.
    const NUMBERS: [(&str, &str); 3] = [
        ("invalid digit found in string", "no whole number"),
        ("cannot parse integer from empty string", "empty, a whole number is needed"),
        ("number too large to fit in target type", "too large"),
    ];
    let told = NUMBERS.iter().find_map(|(theirs, ours)| Some(format!("{}{ours}", what.strip_suffix(theirs)?)));
    format!("the parameters do not fit: {}", told.unwrap_or_else(|| plain(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_s_names_are_replaced_and_the_rest_stays() {
        for (theirs, ours) in [
            (
                "invalid type: string \"a\", expected struct NewProject with 2 elements",
                "invalid type: string \"a\", expected an object",
            ),
            ("invalid type: map, expected a string", "invalid type: object, expected a string"),
            ("unknown variant `a`, expected `b` or `c`", "unknown value `a`, expected `b` or `c`"),
            ("missing field `id`", "missing field `id`"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
        assert_eq!(
            query("Failed to deserialize query string: n: number too large to fit in target type"),
            "the parameters do not fit: n: too large"
        );
    }
}
