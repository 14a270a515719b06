//! What a run showed: a table for people, a line of JSON for machines, and whether it was all right.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Facts by name, in their order, and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    facts: Map<String, Value>,
    /// Each on its own is a reason to fail.
    pub wrong: Vec<String>,
}

impl Summary {
    pub(super) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// A number that must be 0.
    pub(super) fn none_of(&mut self, name: &str, n: u64) {
        self.fact(name, n);
        if n > 0 {
            self.wrong.push(format!("{name}: {n}"));
        }
    }

    /// Seconds that must not exceed a bound.
    pub(super) fn within(&mut self, name: &str, took_s: f64, bound_s: f64) {
        self.fact(name, (took_s * 10.0).round() / 10.0);
        if took_s > bound_s {
            self.wrong.push(format!("{name}: {took_s:.1} s, more than {bound_s} s"));
        }
    }

    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    pub fn number(&self, name: &str) -> u64 {
        self.facts.get(name).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number `{name}` in {:?}", self.facts))
    }

    /// For people.
    pub fn table(&self) -> String {
        let width = self.facts.keys().map(String::len).max().unwrap_or(0);
        let mut table = String::new();
        for (name, value) in &self.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(table, "  {:width$}  {value:>14}", name.replace('_', " ")).expect("memory takes it");
        }
        for wrong in &self.wrong {
            writeln!(table, "  WRONG  {wrong}").expect("memory takes it");
        }
        table.push_str(if self.wrong.is_empty() { "  all right\n" } else { "  NOT all right\n" });
        table
    }

    /// For machines: everything in one line.
    pub fn json(&self) -> String {
        let mut all = self.facts.clone();
        all.insert("wrong".to_owned(), self.wrong.clone().into());
        Value::Object(all).to_string()
    }
}
