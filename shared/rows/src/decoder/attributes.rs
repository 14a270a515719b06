//! Attributes to promoted columns, and the rest to JSON.

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array};
use otlp::view::common::{KeyValue, Value, short, short_pair};

use crate::column::{Column, Fixed, Flag, Text, coded_array};
use crate::json::{self, Lossy, ValueError};
use crate::promoted::{Lookup, Place, Rule, Slot, Target, Type, promoted};
use crate::schema::Columns;

/// The attribute columns of one [`Place`]. Its rows are the table's for record attributes, the resources for resource ones.
pub(super) struct Attributes {
    place: Place,
    lookup: &'static Lookup,
    columns: Vec<PromotedColumn>,
    json: Text,
    /// Whether the JSON object of the current row has begun.
    is_open: bool,
}

enum PromotedColumn {
    Text(Text),
    Int(Fixed<Int64Type>),
    Float(Fixed<Float64Type>),
    Flag(Flag),
}

/// How a value fits a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The column holds all of it.
    Exactly,
    /// The column holds what it converts to.
    Converted,
    NotAtAll,
}

/// An older spelling that waits for the end of the record: the newer key may still come.
pub(super) struct Pending<'a> {
    target: Target,
    value: Value<'a>,
}

/// What the attributes are of, as far as older spellings depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A span of kind server.
    Server,
    Else,
}

impl Attributes {
    pub(super) fn new(place: Place) -> Self {
        let columns = promoted(place).iter().map(|row| PromotedColumn::new(row.kind)).collect();
        Self { place, lookup: Lookup::of(place), columns, json: Text::default(), is_open: false }
    }

    /// Takes `pairs`, which are `KeyValue` messages, for `row`; more JSON may follow by [`Attributes::own_key`] until
    /// [`Attributes::end`].
    pub(super) fn pairs<'a>(
        &mut self,
        row: usize,
        pairs: &[&'a [u8]],
        side: Side,
        lossy: &mut Lossy,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<(), ValueError> {
        self.is_open = false;
        pending.clear();
        for message in pairs {
            let Some((key, value)) = short_pair(message) else {
                let pair = KeyValue::read(message)?;
                self.pair(row, pair, lossy, pending)?;
                continue;
            };
            match self.lookup.find(key) {
                Slot::Current(column) if self.columns[column].set_short(row, value, lossy) => {}
                Slot::None => {
                    let out = self.key(row, key, lossy);
                    lossy.message(out, value)?;
                }
                Slot::Current(_) | Slot::Older(_) => {
                    let value = Value::read(value)?;
                    self.pair(row, KeyValue { key, value }, lossy, pending)?;
                }
            }
        }
        if !pending.is_empty() {
            self.fill_from_older(row, side, pending);
        }
        Ok(())
    }

    /// Takes an attribute whatever it is.
    #[inline(never)]
    fn pair<'a>(
        &mut self,
        row: usize,
        pair: KeyValue<'a>,
        lossy: &mut Lossy,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<(), ValueError> {
        match self.lookup.find(pair.key) {
            Slot::Current(column) if self.columns[column].set(row, pair.value, lossy) == Fit::Exactly => return Ok(()),
            Slot::Current(_) | Slot::None => {}
            Slot::Older(older) => {
                let targets = self.lookup.targets(older).iter();
                pending.extend(targets.map(|target| Pending { target: *target, value: pair.value }));
            }
        }
        let out = self.key(row, pair.key, lossy);
        lossy.value(out, pair.value)
    }

    /// Writes a key into the JSON of `row`; its value is to follow.
    fn key(&mut self, row: usize, key: &[u8], lossy: &mut Lossy) -> &mut Vec<u8> {
        let out = if self.is_open {
            let out = self.json.opened();
            out.push(b',');
            out
        } else {
            self.is_open = true;
            let out = self.json.open(row);
            out.push(b'{');
            out
        };
        lossy.string(out, key);
        out.push(b':');
        out
    }

    /// Writes a key of ours into the JSON of `row`; its value is to follow.
    pub(super) fn own_key(&mut self, row: usize, key: &str) -> &mut Vec<u8> {
        self.key(row, key.as_bytes(), &mut Lossy::default())
    }

    /// Writes a number of ours into the JSON, unless it is 0.
    pub(super) fn own_number(&mut self, row: usize, key: &str, number: i64) {
        if number != 0 {
            json::int(self.own_key(row, key), number);
        }
    }

    /// Writes a time into the JSON that is beyond what a column can say.
    pub(super) fn own_time(&mut self, row: usize, key: &str, unix_nano: u64) {
        if i64::try_from(unix_nano).is_err() {
            json::unsigned(self.own_key(row, key), unix_nano);
        }
    }

    /// Ends the JSON of the row.
    pub(super) fn end(&mut self) {
        if self.is_open {
            self.json.opened().push(b'}');
            self.json.close();
            self.is_open = false;
        }
    }

    /// The text in `column` at `row`; None if there is none, or the column is of another type.
    pub(super) fn text(&self, column: usize, row: usize) -> Option<&[u8]> {
        match &self.columns[column] {
            PromotedColumn::Text(column) => column.bytes(row),
            _ => None,
        }
    }

    /// The JSON at `row`.
    pub(super) fn json(&self, row: usize) -> Option<&[u8]> {
        self.json.bytes(row)
    }

    pub(super) fn json_bytes(&self) -> usize {
        self.json.n_bytes()
    }

    pub(super) fn truncate(&mut self, n_rows: usize) {
        self.json.truncate(n_rows);
        self.columns.iter_mut().for_each(|column| column.truncate(n_rows));
    }

    pub(super) fn finish(self, n_rows: usize, out: &mut Columns) {
        out.put_json(self.place, self.json.finish(n_rows));
        for (n, column) in self.columns.into_iter().enumerate() {
            out.put_promoted(self.place, n, column.finish(n_rows));
        }
    }

    /// The same of values that rows refer to by `codes`, and without the JSON.
    pub(super) fn finish_coded(self, n_values: usize, codes: &Int32Array, out: &mut Columns) {
        for (n, column) in self.columns.into_iter().enumerate() {
            let values = column.finish(n_values);
            out.put_promoted(self.place, n, values.map(|values| coded_array(codes.clone(), values)));
        }
    }

    /// The first older spelling in each column's own order; the column may have its value already.
    #[cold]
    fn fill_from_older(&mut self, row: usize, side: Side, pending: &mut Vec<Pending<'_>>) {
        // The original stands in the JSON and was counted there.
        let mut uncounted = Lossy::default();
        pending.sort_by_key(|older| older.target.rank);
        for older in pending.drain(..) {
            if let Some(value) = older.target.rule.value(older.value, side) {
                self.columns[older.target.column].set(row, value, &mut uncounted);
            }
        }
    }
}

impl Rule {
    /// What an older spelling's value is worth to the newer key.
    fn value(self, value: Value<'_>, side: Side) -> Option<Value<'_>> {
        let split = |text: &'_ [u8]| text.iter().position(|byte| *byte == b'?');
        match (self, value) {
            (Rule::Same, value) => Some(value),
            (Rule::OnServer, value) => (side == Side::Server).then_some(value),
            (Rule::ElseThanServer, value) => (side == Side::Else).then_some(value),
            (Rule::BeforeQuestionMark, Value::Text(text)) => {
                Some(Value::Text(&text[..split(text).unwrap_or(text.len())]))
            }
            (Rule::AfterQuestionMark, Value::Text(text)) => split(text).map(|at| Value::Text(&text[at + 1..])),
            (Rule::BeforeQuestionMark | Rule::AfterQuestionMark, _) => None,
        }
    }
}

impl PromotedColumn {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Text => Self::Text(Text::default()),
            Type::Int => Self::Int(Fixed::default()),
            Type::Float => Self::Float(Fixed::default()),
            Type::Flag => Self::Flag(Flag::default()),
        }
    }

    /// Gives `row` the value of `message`, an `AnyValue`, if that is as encoders write it, the row has none yet and it fits
    /// exactly; otherwise nothing is done.
    #[inline]
    fn set_short(&mut self, row: usize, message: &[u8], lossy: &mut Lossy) -> bool {
        match self {
            Self::Text(column) => {
                let Some(text) = short::content(message, short::TEXT).filter(|_| !column.holds(row)) else {
                    return false;
                };
                lossy.append(column.open(row), text);
                column.close();
            }
            Self::Int(column) => {
                let Some(number) = short::int(message).filter(|_| !column.holds(row)) else { return false };
                column.set(row, number);
            }
            Self::Float(column) => {
                let Some(number) = short::double(message).filter(|_| !column.holds(row)) else { return false };
                column.set(row, number);
            }
            Self::Flag(column) => {
                let Some(flag) = short::flag(message).filter(|_| !column.holds(row)) else { return false };
                column.set(row, flag);
            }
        }
        true
    }

    /// Gives `row` the value if it has none yet and the value fits.
    fn set(&mut self, row: usize, value: Value<'_>, lossy: &mut Lossy) -> Fit {
        match (self, value) {
            (Self::Text(column), Value::Text(text)) if !column.holds(row) => {
                lossy.append(column.open(row), text);
                column.close();
                Fit::Exactly
            }
            (Self::Int(column), Value::Int(number)) if !column.holds(row) => {
                column.set(row, number);
                Fit::Exactly
            }
            (Self::Float(column), Value::Double(number)) if !column.holds(row) => {
                column.set(row, number);
                Fit::Exactly
            }
            (Self::Flag(column), Value::Bool(flag)) if !column.holds(row) => {
                column.set(row, flag);
                Fit::Exactly
            }
            (column, value) => column.convert(row, value),
        }
    }

    /// Fills the column where the value's type is another but says the same.
    fn convert(&mut self, row: usize, value: Value<'_>) -> Fit {
        match self {
            Self::Text(column) if !column.holds(row) => {
                match value {
                    Value::Int(number) => json::int(column.open(row), number),
                    Value::Double(number) => json::double_text(column.open(row), number),
                    Value::Bool(flag) => column.open(row).extend_from_slice(if flag { b"true" } else { b"false" }),
                    _ => return Fit::NotAtAll,
                }
                column.close();
            }
            Self::Int(column) if !column.holds(row) => {
                let Some(number) = as_int(value) else { return Fit::NotAtAll };
                column.set(row, number);
            }
            Self::Float(column) if !column.holds(row) => {
                let Some(number) = as_float(value) else { return Fit::NotAtAll };
                column.set(row, number);
            }
            Self::Flag(column) if !column.holds(row) => {
                let Value::Text(text @ (b"true" | b"false")) = value else { return Fit::NotAtAll };
                column.set(row, text == b"true");
            }
            _ => return Fit::NotAtAll,
        }
        Fit::Converted
    }

    fn truncate(&mut self, n_rows: usize) {
        match self {
            Self::Text(column) => column.truncate(n_rows),
            Self::Int(column) => column.truncate(n_rows),
            Self::Float(column) => column.truncate(n_rows),
            Self::Flag(column) => column.truncate(n_rows),
        }
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        match self {
            Self::Text(column) => column.finish(n_rows),
            Self::Int(column) => column.finish(n_rows),
            Self::Float(column) => column.finish(n_rows),
            Self::Flag(column) => column.finish(n_rows),
        }
    }
}

/// 2^53: up to here every integer is a double.
const EXACT_MAX: u64 = 1 << 53;

fn as_int(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Double(number) => (number.fract() == 0.0 && number.abs() <= EXACT_MAX as f64).then_some(number as i64),
        _ => None,
    }
}

fn as_float(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Int(number) => (number.unsigned_abs() <= EXACT_MAX).then_some(number as f64),
        _ => None,
    }
}
