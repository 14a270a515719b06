//! `GET /api/v1/schema`: the tables and their columns.

use axum::Json;
use edge::{ApiError, ErrorAnswer, NoParameters};
use model::TableName;
use rows::promoted::{Place, promoted};
use serde::Serialize;
use utoipa::ToSchema;

use super::reader::Reader;
use crate::encode::type_name;
use crate::table::visible_schema;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SchemaAnswer {
    tables: Vec<TableInfo>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TableInfo {
    name: &'static str,
    /// Columns whose values name the folders of data files: filters on them cost nothing.
    partition_columns: Vec<&'static str>,
    columns: Vec<TableColumn>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TableColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// The attribute that the column holds; `attributes ->> 'key'` finds it as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    /// `attributes` or `resource`: where the attribute is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
}

/// Describes the tables.
#[utoipa::path(
    get,
    path = "/api/v1/schema",
    tag = "query",
    responses((status = 200, body = SchemaAnswer), (status = 401, body = ErrorAnswer), (status = 403, body = ErrorAnswer))
)]
pub(super) async fn schema(_reader: Reader, _: NoParameters) -> Result<Json<SchemaAnswer>, ApiError> {
    Ok(Json(SchemaAnswer { tables: TableName::ALL.map(table).into() }))
}

fn table(table: TableName) -> TableInfo {
    let column = |field: &arrow::datatypes::FieldRef| {
        let places = [Place::Attributes, Place::Resource];
        let held = places.into_iter().find_map(|place| promoted(place).iter().find(|row| row.column == *field.name()));
        TableColumn {
            name: field.name().clone(),
            kind: type_name(field.data_type()),
            key: held.map(|row| row.key),
            of: held.map(|row| row.place.json_column()),
        }
    };
    TableInfo {
        name: table.as_str(),
        partition_columns: table.partition_columns().to_vec(),
        columns: visible_schema(table).fields().iter().map(column).collect(),
    }
}
