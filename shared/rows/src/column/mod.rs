//! Column builders that cost nothing until they hold a value.
//!
//! A builder is told the row that a value belongs to; the rows it was not told of are null. So the decoder touches only the
//! columns that a record has, and a column that no record has is never allocated. `truncate` takes rows back, which is how a
//! record or a whole body that turns out to be bad leaves no trace.

mod coded;
mod fixed;
mod list;
mod nulls;
mod text;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

pub(crate) use coded::{Coded, Known, Words, coded_array, spelled_out};
pub(crate) use fixed::{Fixed, Flag};
pub(crate) use list::{NumberList, TextList};
use nulls::Nulls;
pub(crate) use text::Text;

/// Rows that a builder makes room for when it gets its first value: most small requests are not larger.
const ROWS_FIRST: usize = 64;

/// What all builders can do.
pub(crate) trait Column: Default {
    /// The type in the table; a batch may hold the same values dictionary-encoded.
    fn data_type() -> DataType;
    /// Forgets the rows from `n_rows` on.
    fn truncate(&mut self, n_rows: usize);
    /// The array over `n_rows` rows; None if every row is null.
    fn finish(self, n_rows: usize) -> Option<ArrayRef>;
}

/// A struct of columns, declared once as `field: Builder = "column name"`: the fields, their schema, and what all of them do.
macro_rules! table {
    ($(#[$doc:meta])* struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $builder:ty = $column:literal,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $builder,)*
        }

        impl $name {
            pub(crate) fn fields() -> Vec<arrow_schema::Field> {
                vec![$(arrow_schema::Field::new($column, <$builder as $crate::column::Column>::data_type(), true),)*]
            }

            pub(crate) fn truncate(&mut self, n_rows: usize) {
                $($crate::column::Column::truncate(&mut self.$field, n_rows);)*
            }

            pub(crate) fn finish(self, n_rows: usize, out: &mut $crate::schema::Columns) {
                $(out.put_own($crate::column::Column::finish(self.$field, n_rows));)*
            }
        }
    };
}
pub(crate) use table;
