//! The bytes of a landed segment: an Arrow IPC file.
//!
//! Layout, format 1 ([`model::Segment::FORMAT`]): the Arrow IPC *file* format, buffers LZ4 frames (a small batch: as they are),
//! one record batch with the table's columns without those that are all null; text that repeats is dictionary-encoded. The footer's custom
//! metadata holds `plimsoll.format` (a decimal number) and `plimsoll.bodies` (the hashes of the request bodies in it, 32 hex
//! digits each, joined by commas), and `plimsoll.body_rows` how many rows each of them has (decimal numbers, joined by commas): the
//! bodies lie one after the other in that order. Segments of the first versions lack the latter. A change that an older reader
//! would misread raises the format.
//!
//! Reading takes bytes from an object store: corrupt or hostile ones give an error, never a panic, and never an allocation far
//! beyond what the bytes can hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, CompressionType, Footer};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use model::{BodyHash, InvalidHash, Segment};
use std::sync::Arc;

const KEY_FORMAT: &str = "plimsoll.format";
const KEY_BODIES: &str = "plimsoll.bodies";
const KEY_BODY_ROWS: &str = "plimsoll.body_rows";

/// `ARROW1` at both ends; the last one follows the footer's length (4 bytes).
const MAGIC: &[u8] = b"ARROW1";
const TRAILER_BYTES: usize = 10;

/// Room for what is not rows.
const FOOTER_BYTES: usize = 16 * 1024;

/// Batches below are written as they are: compressing small buffers costs more than it saves.
const COMPRESSED_BYTES_MIN: usize = 32 * 1024;

/// LZ4 shrinks at most about 255 to 1; a buffer that claims more is corrupt.
const INFLATION_MAX: u64 = 256;

/// Every row has a time, 16 bytes in two columns, which compress as said above.
const ROWS_PER_BYTE_MAX: u64 = INFLATION_MAX / 16;

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFooter {
    pub format: u32,
    /// The request bodies whose rows are in it.
    pub bodies: Vec<BodyHash>,
    /// How many rows each body has, in the order in which they lie; none: the segment does not tell.
    pub body_rows: Option<Vec<usize>>,
}

/// The end of a segment's bytes, read for its footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    Footer(SegmentFooter),
    /// The footer begins before: so many bytes from the end hold it.
    Longer(usize),
}

/// Why bytes are no segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error("failed to write a segment")]
    Write(#[source] ArrowError),
    #[error("the segment has format {found}, this version reads up to {known}")]
    NewerFormat { found: u32, known: u32 },
    #[error("the segment is no Arrow file: {0}")]
    NoArrowFile(&'static str),
    #[error("the segment's footer lacks a valid `{0}`")]
    Footer(&'static str),
    #[error("the segment's footer names a body wrongly")]
    Body(#[from] InvalidHash),
    #[error("the segment's Arrow data is corrupt")]
    Corrupt(#[source] ArrowError),
    #[error("the segment's Arrow data is corrupt: decoding panicked")]
    Panicked,
}

/// The file of `batch`, which holds the rows of `bodies`: of one, or of several that nobody will have to tell apart.
pub fn write(batch: &RecordBatch, bodies: &[BodyHash]) -> Result<Bytes, SegmentError> {
    let all = [batch.num_rows()];
    let body_rows = if bodies.len() == 1 { &all[..] } else { &[] };
    write_all(batch, bodies, body_rows)
}

/// The file of `batch`, in which the rows of `bodies` lie one body after the other: (hash, rows).
pub fn write_divided(batch: &RecordBatch, bodies: &[(BodyHash, usize)]) -> Result<Bytes, SegmentError> {
    let (hashes, body_rows): (Vec<_>, Vec<_>) = bodies.iter().copied().unzip();
    write_all(batch, &hashes, &body_rows)
}

fn write_all(batch: &RecordBatch, bodies: &[BodyHash], body_rows: &[usize]) -> Result<Bytes, SegmentError> {
    // Compressed it comes to about half; as it is, to a little more.
    let mut file = Vec::with_capacity(batch.get_array_memory_size() / 2 + FOOTER_BYTES);
    write_into(&mut file, batch, bodies, body_rows).map_err(SegmentError::Write)?;
    Ok(file.into())
}

fn write_into(
    file: &mut Vec<u8>,
    batch: &RecordBatch,
    bodies: &[BodyHash],
    body_rows: &[usize],
) -> Result<(), ArrowError> {
    let compression = (batch.get_array_memory_size() >= COMPRESSED_BYTES_MIN).then_some(CompressionType::LZ4_FRAME);
    let options = IpcWriteOptions::default().try_with_compression(compression)?;
    let mut writer = FileWriter::try_new_with_options(file, batch.schema_ref(), options)?;
    writer.write_metadata(KEY_FORMAT, Segment::FORMAT.to_string());
    writer.write_metadata(KEY_BODIES, bodies.iter().map(BodyHash::to_string).collect::<Vec<_>>().join(","));
    if !body_rows.is_empty() {
        writer.write_metadata(KEY_BODY_ROWS, body_rows.iter().map(usize::to_string).collect::<Vec<_>>().join(","));
    }
    writer.write(batch)?;
    writer.finish()
}

/// The footer alone: no row is decoded.
pub fn footer(bytes: &[u8]) -> Result<SegmentFooter, SegmentError> {
    footer_of(&arrow_footer(bytes)?)
}

/// The footer, from the last bytes of a segment.
pub fn footer_of_tail(tail: &[u8]) -> Result<Tail, SegmentError> {
    let length = footer_bytes(tail)?;
    match (tail.len() - TRAILER_BYTES).checked_sub(length) {
        Some(start) => footer_of(&parse_footer(&tail[start..start + length])?).map(Tail::Footer),
        None => Ok(Tail::Longer(length + TRAILER_BYTES)),
    }
}

/// All columns that the segment holds.
pub fn read(bytes: Bytes) -> Result<(Vec<RecordBatch>, SegmentFooter), SegmentError> {
    read_guarded(bytes, None)
}

/// Those of `columns` that the segment holds, in the segment's order; the others cost no decoding.
pub fn read_columns(bytes: Bytes, columns: &[&str]) -> Result<(Vec<RecordBatch>, SegmentFooter), SegmentError> {
    read_guarded(bytes, Some(columns))
}

/// Arrow's IPC reader checks most of what it reads but still has unwraps on the file's own claims, so a panic is caught here as
/// the last resort; the bytes are not used afterwards.
fn read_guarded(bytes: Bytes, columns: Option<&[&str]>) -> Result<(Vec<RecordBatch>, SegmentFooter), SegmentError> {
    catch_unwind(AssertUnwindSafe(|| read_unguarded(bytes, columns))).unwrap_or(Err(SegmentError::Panicked))
}

fn read_unguarded(bytes: Bytes, columns: Option<&[&str]>) -> Result<(Vec<RecordBatch>, SegmentFooter), SegmentError> {
    let arrow = arrow_footer(&bytes)?;
    let about = footer_of(&arrow)?;
    let schema: SchemaRef = match arrow.schema() {
        Some(schema) => Arc::new(arrow_ipc::convert::fb_to_schema(schema)),
        None => return Err(SegmentError::Footer("schema")),
    };
    let mut decoder = FileDecoder::new(Arc::clone(&schema), arrow.version());
    if let Some(columns) = columns {
        let held = schema.fields().iter().enumerate().filter(|(_, field)| columns.contains(&field.name().as_str()));
        decoder = decoder.with_projection(held.map(|(at, _)| at).collect());
    }
    let file = Buffer::from(bytes.clone());
    for block in arrow.dictionaries().iter().flatten() {
        decoder.read_dictionary(block, &checked_block(&file, block)?).map_err(SegmentError::Corrupt)?;
    }
    let mut batches = Vec::new();
    for block in arrow.recordBatches().iter().flatten() {
        let read = decoder.read_record_batch(block, &checked_block(&file, block)?);
        batches.extend(read.map_err(SegmentError::Corrupt)?);
    }
    Ok((batches, about))
}

fn arrow_footer(bytes: &[u8]) -> Result<Footer<'_>, SegmentError> {
    let length = footer_bytes(bytes)?;
    if !bytes.starts_with(MAGIC) {
        return Err(SegmentError::NoArrowFile("it does not begin as one"));
    }
    let end = bytes.len() - TRAILER_BYTES;
    let start = end.checked_sub(length).ok_or(SegmentError::NoArrowFile("its footer is longer than the file"))?;
    parse_footer(&bytes[start..end])
}

/// Length of the footer before the trailer.
fn footer_bytes(tail: &[u8]) -> Result<usize, SegmentError> {
    let trailer: [u8; TRAILER_BYTES] =
        *tail.last_chunk().ok_or(SegmentError::NoArrowFile("it is shorter than an empty one"))?;
    read_footer_length(trailer).map_err(SegmentError::Corrupt)
}

fn parse_footer(footer: &[u8]) -> Result<Footer<'_>, SegmentError> {
    arrow_ipc::root_as_footer(footer)
        .map_err(|broken| SegmentError::Corrupt(ArrowError::ParseError(format!("footer: {broken}"))))
}

fn footer_of(arrow: &Footer<'_>) -> Result<SegmentFooter, SegmentError> {
    let value = |wanted: &'static str| {
        let pairs = arrow.custom_metadata();
        pairs.iter().flatten().find(|pair| pair.key() == Some(wanted)).and_then(|pair| pair.value())
    };
    let format: u32 = value(KEY_FORMAT).and_then(|text| text.parse().ok()).ok_or(SegmentError::Footer(KEY_FORMAT))?;
    if format > Segment::FORMAT {
        return Err(SegmentError::NewerFormat { found: format, known: Segment::FORMAT });
    }
    let bodies = value(KEY_BODIES).ok_or(SegmentError::Footer(KEY_BODIES))?;
    let bodies: Vec<BodyHash> =
        bodies.split(',').filter(|hash| !hash.is_empty()).map(BodyHash::parse).collect::<Result<_, _>>()?;
    let body_rows = value(KEY_BODY_ROWS).map(|text| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>());
    let body_rows = body_rows.transpose().map_err(|_| SegmentError::Footer(KEY_BODY_ROWS))?;
    if body_rows.as_ref().is_some_and(|rows| rows.len() != bodies.len()) {
        return Err(SegmentError::Footer(KEY_BODY_ROWS));
    }
    Ok(SegmentFooter { format, bodies, body_rows })
}

/// The bytes of a block, after a look at the sizes that it claims: Arrow's reader allocates what a compressed buffer says it
/// inflates to, and an allocation that fails cannot be caught.
fn checked_block(file: &Buffer, block: &Block) -> Result<Buffer, SegmentError> {
    const CORRUPT: SegmentError = SegmentError::NoArrowFile("a block lies outside it");
    let start = usize::try_from(block.offset()).map_err(|_| CORRUPT)?;
    let head = usize::try_from(block.metaDataLength()).map_err(|_| CORRUPT)?;
    let body = usize::try_from(block.bodyLength()).map_err(|_| CORRUPT)?;
    let length = head.checked_add(body).ok_or(CORRUPT)?;
    if start.checked_add(length).is_none_or(|end| end > file.len()) {
        return Err(CORRUPT);
    }
    let block = file.slice_with_length(start, length);
    check_buffers(&block[..head], &block[head..])?;
    Ok(block)
}

fn check_buffers(head: &[u8], body: &[u8]) -> Result<(), SegmentError> {
    const OUTSIDE: SegmentError = SegmentError::NoArrowFile("a buffer lies outside its block");
    const CORRUPT: SegmentError = SegmentError::NoArrowFile("a buffer claims more than it can hold");
    const TOO_MANY: SegmentError = SegmentError::NoArrowFile("a batch claims more rows than it can hold");
    // A continuation marker (4 bytes) and the length (4 bytes) stand before the message.
    let message = arrow_ipc::root_as_message(head.get(8..).unwrap_or_default())
        .map_err(|broken| SegmentError::Corrupt(ArrowError::ParseError(format!("block: {broken}"))))?;
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let rows = message.header_as_record_batch();
    if let Some(rows) = rows
        && u64::try_from(rows.length()).map_err(|_| TOO_MANY)? > ROWS_PER_BYTE_MAX * body.len() as u64
    {
        return Err(TOO_MANY);
    }
    let Some(batch) = dictionary.or(rows) else { return Ok(()) };
    let is_compressed = batch.compression().is_some();
    for buffer in batch.buffers().iter().flatten() {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let (Ok(start), Ok(length)) = (start, length) else { return Err(OUTSIDE) };
        let held = start.checked_add(length).and_then(|end| body.get(start..end)).ok_or(OUTSIDE)?;
        if length == 0 || !is_compressed {
            continue;
        }
        let claim = i64::from_le_bytes(*held.first_chunk().ok_or(CORRUPT)?);
        // -1: not compressed.
        if claim != -1 && u64::try_from(claim).map_err(|_| CORRUPT)? > INFLATION_MAX * held.len() as u64 {
            return Err(CORRUPT);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, RecordBatchOptions, StringArray};
    use arrow_schema::Schema;

    use super::*;

    fn batch() -> RecordBatch {
        let names: ArrayRef =
            Arc::new((0..500).map(|n| (n % 3 > 0).then(|| format!("span {}", n % 7))).collect::<StringArray>());
        let durations: ArrayRef = Arc::new(Int64Array::from_iter_values(0..500));
        let kinds =
            crate::column::coded_array((0..500).map(|n| n % 2).collect(), Arc::new(StringArray::from(vec!["a", "b"])));
        RecordBatch::try_from_iter([("name", names), ("duration", durations), ("kind", kinds)])
            .expect("columns of one length")
    }

    fn hashes() -> Vec<BodyHash> {
        vec![BodyHash::from_bytes([1; 16]), BodyHash::from_bytes([0xfe; 16])]
    }

    /// A file with other footer metadata than ours.
    fn file_with(metadata: &[(&str, &str)]) -> Bytes {
        let mut file = Vec::new();
        let mut writer = FileWriter::try_new(&mut file, batch().schema_ref()).expect("writable");
        for (key, value) in metadata {
            writer.write_metadata(*key, *value);
        }
        writer.write(&batch()).expect("writable");
        writer.finish().expect("writable");
        drop(writer);
        file.into()
    }

    #[test]
    fn a_segment_reads_back_whole_in_part_and_by_its_footer() {
        let file = write(&batch(), &hashes()).expect("writable");
        let about = SegmentFooter { format: 1, bodies: hashes(), body_rows: None };
        assert_eq!(footer(&file).expect("readable"), about);
        assert_eq!(read(file.clone()).expect("readable"), (vec![batch()], about.clone()));
        let (part, _) = read_columns(file.clone(), &["kind", "duration", "not there"]).expect("readable");
        assert_eq!(part, [batch().project(&[1, 2]).expect("two columns")]);
        let (none, _) = read_columns(file, &["not there"]).expect("readable");
        assert_eq!((none[0].num_columns(), none[0].num_rows()), (0, 500));
        let empty = write(&batch().slice(0, 0), &[]).expect("writable");
        assert_eq!(read(empty).expect("readable").0[0].num_rows(), 0);
    }

    #[test]
    fn a_footer_reads_from_the_end_alone_and_tells_the_rows_of_each_body() {
        let bodies: Vec<_> = hashes().into_iter().zip([200, 300]).collect();
        let file = write_divided(&batch(), &bodies).expect("writable");
        let about = SegmentFooter { format: 1, bodies: hashes(), body_rows: Some(vec![200, 300]) };
        assert_eq!(footer(&file).expect("readable"), about);
        let Ok(Tail::Longer(needed)) = footer_of_tail(&file[file.len() - TRAILER_BYTES..]) else { panic!("short") };
        assert!(needed < file.len());
        assert_eq!(footer_of_tail(&file[file.len() - needed..]).expect("readable"), Tail::Footer(about));
        assert!(footer_of_tail(&file[..needed]).is_err());
        let alone = write(&batch(), &hashes()[..1]).expect("writable");
        assert_eq!(footer(&alone).expect("readable").body_rows, Some(vec![500]));
        let hash = hashes()[0].to_string();
        for rows in ["", "1,2", "x"] {
            let file = file_with(&[(KEY_FORMAT, "1"), (KEY_BODIES, &hash), (KEY_BODY_ROWS, rows)]);
            assert!(matches!(footer(&file), Err(SegmentError::Footer(KEY_BODY_ROWS))), "{rows}");
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_a_broken_one() {
        let hash = hashes()[0].to_string();
        let newer = file_with(&[(KEY_FORMAT, "2"), (KEY_BODIES, &hash)]);
        assert!(matches!(read(newer), Err(SegmentError::NewerFormat { found: 2, known: 1 })));
        for metadata in [
            &[][..],
            &[(KEY_FORMAT, "1")],
            &[(KEY_BODIES, hash.as_str())],
            &[(KEY_FORMAT, "one"), (KEY_BODIES, "")],
            &[(KEY_FORMAT, "1"), (KEY_BODIES, "no hash")],
        ] {
            let error = read(file_with(metadata)).expect_err("lacks something");
            assert!(matches!(error, SegmentError::Footer(_) | SegmentError::Body(_)), "{error}");
        }
        assert_eq!(read(file_with(&[(KEY_FORMAT, "1"), (KEY_BODIES, "")])).expect("readable").1.bodies, []);
    }

    #[test]
    fn rows_that_take_no_bytes_are_an_error_and_not_an_allocation_of_their_columns() {
        for n_rows in [1, 1 << 40] {
            let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
            let hollow = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options);
            let file = write(&hollow.expect("no columns"), &hashes()).expect("writable");
            assert!(matches!(read(file), Err(SegmentError::NoArrowFile(_))), "{n_rows}");
        }
    }

    #[test]
    fn cut_off_and_broken_files_are_errors() {
        let file = write(&batch(), &hashes()).expect("writable");
        for length in 0..file.len() {
            assert!(read(file.slice(..length)).is_err(), "cut at {length}");
        }
        // One byte at a time, each to three others: an error, or what happens to be readable; never more than the bytes can hold.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        for at in 0..file.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut broken = file.to_vec();
                broken[at] ^= flip;
                drop(read(broken.into()));
            }
        }
        std::panic::set_hook(hook);
    }
}
