//! How large rows are, for the limit on answers in one piece: values, not the buffers that they may share.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

pub(crate) fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| bytes_of_array(column.as_ref())).sum()
}

fn bytes_of_array(array: &dyn Array) -> usize {
    /// Of a value whose type says nothing of its size.
    const UNKNOWN: usize = 16;
    let rows = array.len();
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().iter().flatten().map(str::len).sum::<usize>() + rows,
        DataType::Utf8 => array.as_string::<i32>().iter().flatten().map(str::len).sum::<usize>() + rows,
        DataType::LargeUtf8 => array.as_string::<i64>().iter().flatten().map(str::len).sum::<usize>() + rows,
        DataType::Binary => array.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum::<usize>() + rows,
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            (0..rows)
                .filter(|row| lists.is_valid(*row))
                .map(|row| bytes_of_array(lists.value(row).as_ref()))
                .sum::<usize>()
                + rows
        }
        DataType::Null => rows,
        kind => rows * kind.primitive_width().unwrap_or(UNKNOWN),
    }
}
