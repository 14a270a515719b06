//! Every safeguard with a name is at work in the product: a name that lost its place would prove nothing.

use std::fs;
use std::path::Path;

use model::Safeguard;

#[test]
fn every_safeguard_is_asked_for_where_it_is_at_work() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut product = String::new();
    for floor in ["functions", "shared"] {
        read_rust(&house.join(floor), &mut product);
    }
    let words: std::collections::HashSet<&str> = product.split(|c: char| !c.is_alphanumeric()).collect();
    let idle: Vec<_> = Safeguard::ALL.iter().filter(|one| !words.contains(format!("{one:?}").as_str())).collect();
    assert!(idle.is_empty(), "nothing in the product asks for {idle:?}");
}

/// Code of every `.rs` file below a folder, without comments, and without the room that lists the safeguards.
fn read_rust(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the house") {
        let path = entry.expect("an entry").path();
        if path.ends_with("shared/model") {
            continue;
        }
        if path.is_dir() {
            read_rust(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            into.extend(code.flat_map(|line| [line, "\n"]));
        }
    }
}
