//! Aggregates whose value is a sketch: a small binary summary that can be kept, merged with others, and asked later.
//!
//! A sketch says what it is in its first two bytes (kind, layout version), so that `rollup` can merge any kind.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

/// A summary of values.
pub(super) trait Sketch: Default + Debug + Send + Sync + 'static {
    /// A column of values, made ready to be added row by row.
    type Column;

    /// The type that values must have.
    fn value_type(given: &DataType) -> Result<DataType>;
    fn column(values: &ArrayRef) -> Result<Self::Column>;
    /// Adds the value of a row; nulls are left out.
    fn add(&mut self, column: &Self::Column, row: usize);
    fn merge(&mut self, sketch: &[u8]) -> Result<()>;
    /// None: nothing was added, and the answer is null.
    fn to_bytes(&mut self) -> Option<Vec<u8>>;
    /// Bytes of memory it takes.
    fn size(&self) -> usize;
}

/// What the rows hold that an aggregate takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Input {
    Values,
    Sketches,
}

/// The aggregate that makes sketches `S`.
pub(super) struct SketchAggregate<S> {
    name: &'static str,
    input: Input,
    signature: Signature,
    sketch: PhantomData<fn() -> S>,
}

impl<S> SketchAggregate<S> {
    pub(super) fn over_values(name: &'static str) -> Self {
        Self {
            name,
            input: Input::Values,
            signature: Signature::user_defined(Volatility::Immutable),
            sketch: PhantomData,
        }
    }

    pub(super) fn over_sketches(name: &'static str) -> Self {
        Self { input: Input::Sketches, ..Self::over_values(name) }
    }
}

impl<S> Debug for SketchAggregate<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SketchAggregate({})", self.name)
    }
}

impl<S> PartialEq for SketchAggregate<S> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<S> Eq for SketchAggregate<S> {}

impl<S> std::hash::Hash for SketchAggregate<S> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<S: Sketch> AggregateUDFImpl for SketchAggregate<S> {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value] = given else { return plan_err!("{} takes one argument, not {}", self.name, given.len()) };
        Ok(vec![match (self.input, value) {
            (Input::Values, value) => S::value_type(value)?,
            (Input::Sketches, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null) => {
                DataType::Binary
            }
            (Input::Sketches, other) => {
                return plan_err!("{} merges what percentile_agg and the like return, not {other}", self.name);
            }
        }])
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[sketch]", self.name), DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("{} does not take DISTINCT", self.name);
        }
        Ok(Box::new(One { input: self.input, sketch: S::default() }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::<S> { input: self.input, sketches: Vec::new(), bytes: 0 }))
    }
}

/// One sketch over all rows.
#[derive(Debug)]
struct One<S> {
    input: Input,
    sketch: S,
}

impl<S: Sketch> Accumulator for One<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.input == Input::Sketches {
            return self.merge_batch(values);
        }
        let column = S::column(&values[0])?;
        (0..values[0].len()).for_each(|row| self.sketch.add(&column, row));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sketches = states[0].as_binary::<i32>();
        sketches.iter().flatten().try_for_each(|bytes| self.sketch.merge(bytes))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.sketch.to_bytes()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sketch.size()
    }
}

/// A sketch per group.
struct Groups<S> {
    input: Input,
    sketches: Vec<S>,
    /// Memory of all sketches.
    bytes: usize,
}

impl<S: Sketch> Groups<S> {
    /// Calls `act` on the sketch of each row that passes the filter.
    fn each(
        &mut self,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
        mut act: impl FnMut(&mut S, usize) -> Result<()>,
    ) -> Result<()> {
        self.sketches.resize_with(n_groups.max(self.sketches.len()), S::default);
        // Of few sketches all are measured once the rows are in; of many those that a row changes.
        let are_few = self.sketches.len() <= groups.len();
        for (row, group) in groups.iter().enumerate() {
            if filter.is_some_and(|filter| filter.is_null(row) || !filter.value(row)) {
                continue;
            }
            let sketch = &mut self.sketches[*group];
            if are_few {
                act(sketch, row)?;
                continue;
            }
            let before = sketch.size();
            act(sketch, row)?;
            self.bytes = self.bytes + sketch.size() - before;
        }
        if are_few {
            self.bytes = self.sketches.iter().map(Sketch::size).sum();
        }
        Ok(())
    }
}

impl<S: Sketch> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        if self.input == Input::Sketches {
            let sketches = values[0].as_binary::<i32>().clone();
            return self.each(groups, filter, n_groups, |sketch, row| merge_row(sketch, &sketches, row));
        }
        let column = S::column(&values[0])?;
        self.each(groups, filter, n_groups, |sketch, row| {
            sketch.add(&column, row);
            Ok(())
        })
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        let sketches = values[0].as_binary::<i32>().clone();
        self.each(groups, None, n_groups, |sketch, row| merge_row(sketch, &sketches, row))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut emitted = emit_to.take_needed(&mut self.sketches);
        self.bytes = self.bytes.saturating_sub(emitted.iter().map(Sketch::size).sum());
        let mut builder = BinaryBuilder::new();
        emitted.iter_mut().for_each(|sketch| builder.append_option(sketch.to_bytes()));
        Ok(Arc::new(builder.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Groups::<S> { input: self.input, sketches: Vec::new(), bytes: 0 };
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.sketches.capacity() * size_of::<S>()
    }
}

fn merge_row<S: Sketch>(sketch: &mut S, sketches: &BinaryArray, row: usize) -> Result<()> {
    if sketches.is_null(row) { Ok(()) } else { sketch.merge(sketches.value(row)) }
}
