//! Target `segment`: any bytes as a landed object.

use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use model::TableName;
use rows::{conform, segment};

/// What is read is sound, the same each time and by column; a table takes it or says why not; written again it is the same.
pub fn segment(input: &[u8]) {
    let file = Bytes::copy_from_slice(input);
    let footer = segment::footer(input);
    let Ok((batches, about)) = segment::read(file.clone()) else {
        assert!(segment::read(file).is_err(), "read twice");
        return;
    };
    assert_eq!(footer.expect("the whole segment can be read"), about);
    assert_eq!(
        segment::read(file.clone()).expect("it was read before"),
        (batches.clone(), about.clone()),
        "read twice"
    );
    for batch in &batches {
        check_batch(batch);
    }
    check_columns(&file, &batches);
    if let [batch] = &batches[..]
        && is_of_a_table(batch)
    {
        let again = segment::write(batch, &about.bodies).expect("any batch can be written");
        let (read, again) = segment::read(again).expect("just written");
        assert_eq!((read, again.bodies), (batches, about.bodies), "written and read again");
    }
}

/// A batch that `ingest` could have written: every row has a time.
fn is_of_a_table(batch: &RecordBatch) -> bool {
    let has_times = ["timestamp", "time_unix_nano"].iter().all(|name| batch.column_by_name(name).is_some());
    has_times && TableName::ALL.iter().any(|table| conform(batch, *table).is_ok())
}

fn check_batch(batch: &RecordBatch) {
    for column in batch.columns() {
        column.to_data().validate_full().expect("what is read is sound");
        assert_eq!(column.len(), batch.num_rows());
    }
    for table in TableName::ALL {
        if let Ok(plain) = conform(batch, table) {
            assert_eq!(plain.num_rows(), batch.num_rows());
        }
    }
}

/// Every second column alone.
fn check_columns(file: &Bytes, batches: &[RecordBatch]) {
    let Some(first) = batches.first() else { return };
    let schema = first.schema();
    let names: Vec<&str> = schema.fields().iter().step_by(2).map(|field| field.name().as_str()).collect();
    let (parts, _) = segment::read_columns(file.clone(), &names).expect("all columns can be read");
    assert_eq!(parts.len(), batches.len());
    for (part, whole) in parts.iter().zip(batches) {
        assert_eq!(part.num_rows(), whole.num_rows());
        let wanted = schema.fields().iter().zip(whole.columns());
        let wanted: Vec<_> =
            wanted.filter(|(field, _)| names.contains(&field.name().as_str())).map(|(_, c)| c).collect();
        assert_eq!(part.columns().iter().collect::<Vec<_>>(), wanted, "columns alone");
    }
}
