//! Layouts to compare: each changes one thing of `lake::layout`.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

/// How rows follow each other in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Time,
    ServiceWithinHour,
}

/// One thing changed.
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) order: Order,
    pub(super) change: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
}

const fn variant(name: &'static str, change: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Variant {
    Variant { name, order: Order::Time, change }
}

pub(super) const VARIANTS: [Variant; 14] = [
    variant("as it is", |as_it_is| as_it_is),
    Variant { name: "service within the hour", order: Order::ServiceWithinHour, change: |as_it_is| as_it_is },
    variant("row groups of 32 Ki rows", |of| of.set_max_row_group_row_count(Some(32 * 1024))),
    variant("row groups of 512 Ki rows", |of| of.set_max_row_group_row_count(Some(512 * 1024))),
    variant("pages of 4 Ki rows", |of| of.set_data_page_row_count_limit(4 * 1024)),
    variant("pages of 64 Ki rows", |of| of.set_data_page_row_count_limit(64 * 1024)),
    variant("rest zstd 1", |of| of.set_compression(zstd(1))),
    variant("rest zstd 6", |of| of.set_compression(zstd(6))),
    variant("rest zstd 9", |of| of.set_compression(zstd(9))),
    variant("ids zstd 3", |of| of_each(ID_COLUMNS, of, |of, column| of.set_column_compression(column, zstd(3)))),
    variant("rest lz4", |of| of.set_compression(Compression::LZ4_RAW)),
    variant("no Bloom filters", |of| {
        of_each(ID_COLUMNS, of, |of, column| of.set_column_bloom_filter_enabled(column, false))
    }),
    variant("dictionaries for ids", |of| {
        of_each(ID_COLUMNS, of, |of, column| of.set_column_dictionary_enabled(column, true))
    }),
    variant("texts as differences", |of| {
        of_each(LONG_TEXTS, of, |of, column| of.set_column_encoding(column, Encoding::DELTA_BYTE_ARRAY))
    }),
];

const ID_COLUMNS: &[&str] = &[
    "id",
    "parent_id",
    "context___trace_id",
    "context___span_id",
    "attributes___session___id",
    "attributes___user___id",
    "attributes___user___email",
];

const LONG_TEXTS: &[&str] = &["id", "context___trace_id", "body", "attributes", "events", "links"];

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).expect("a level of zstd"))
}

fn of_each(
    columns: &[&str],
    of: WriterPropertiesBuilder,
    change: fn(WriterPropertiesBuilder, ColumnPath) -> WriterPropertiesBuilder,
) -> WriterPropertiesBuilder {
    columns.iter().fold(of, |of, column| change(of, ColumnPath::new(vec![(*column).to_owned()])))
}
