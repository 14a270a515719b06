//! A table without the rows that rollups answer for.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::lookup::Narrowed;
use super::provider::Table;
use crate::rollups::Coverage;

/// The same table at the same moment.
#[derive(Debug)]
pub(crate) struct TableBeside {
    table: Arc<dyn TableProvider>,
    coverage: Coverage,
}

impl TableBeside {
    /// `table` is a [`Table`].
    pub(crate) fn new(table: Arc<dyn TableProvider>, coverage: Coverage) -> Self {
        Self { table, coverage }
    }
}

#[async_trait]
impl TableProvider for TableBeside {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.table.downcast_ref::<Table>();
        let table = table.ok_or_else(|| internal_datafusion_err!("rows beside rollups of no table of ours"))?;
        table.scan_beside(state, projection, filters, limit, &self.coverage, &Narrowed::default())
    }
}
