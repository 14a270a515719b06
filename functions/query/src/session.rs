//! The DataFusion session of one query: the caller's tables, and nothing else that could be named.
//!
//! No file formats, no table factories, no object store but the project's own root: what is not there cannot be reached, whatever
//! the SQL says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::CatalogProviderList;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use datafusion::config::Dialect;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::prelude::SessionConfig;
use model::{Micros, ProjectId, TableId, TableName};
use object_store::ObjectStore;
use url::Url;

use crate::error::QueryError;
use crate::functions;
use crate::rollups::UseRollups;
use crate::settings::Settings;
use crate::sql::{
    AttributePlanner, OverflowIsAnError, PostgresTypes, ResolveAttributes, UnnestKeys, UnnestLateral, json_quote,
};
use crate::table::{Freshness, Table, TableParts, Tables};
use crate::waits::On;

const CATALOG: &str = "plimsoll";
const SCHEMA: &str = "public";
/// What sessions call the project's root; never the name of anything real.
const STORE_URL: &str = "project://root";

/// How rows of two sides find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    /// Fast, and one side must fit in memory.
    ByHashing,
    /// Both sides are sorted, which spills.
    BySorting,
}

/// What all sessions have in common, built once.
pub(crate) struct Sessions {
    base: SessionState,
}

impl Sessions {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let planners: [Arc<dyn ExprPlanner>; 2] = [Arc::new(AttributePlanner), Arc::new(functions::ExtractPlanner)];
        let planners = planners.into_iter().chain(SessionStateDefaults::default_expr_planners());
        let mut analyzer = Analyzer::new();
        analyzer.rules.insert(0, Arc::new(UnnestLateral));
        analyzer.rules.insert(1, Arc::new(UnnestKeys));
        analyzer.rules.insert(2, Arc::new(ResolveAttributes));
        analyzer.rules.push(Arc::new(OverflowIsAnError));
        let scalars = SessionStateDefaults::default_scalar_functions().into_iter().map(functions::capped::capped);
        let scalars = scalars.chain(functions::scalars());
        let aggregates = SessionStateDefaults::default_aggregate_functions().into_iter().chain(functions::aggregates());
        let table_functions = SessionStateDefaults::default_table_functions();
        let mut builder = SessionStateBuilder::new()
            .with_config(config(settings))
            .with_runtime_env(runtime(settings, None)?)
            .with_expr_planners(planners.collect())
            .with_type_planner(Arc::new(PostgresTypes))
            .with_optimizer_rule(Arc::new(UseRollups))
            .with_scalar_functions(scalars.chain([json_quote()]).collect())
            .with_aggregate_functions(aggregates.collect())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
            .with_table_functions(table_functions.into_iter().map(|f| (f.name().to_owned(), f)).collect());
        *builder.analyzer() = Some(analyzer);
        let mut base = builder.build();
        datafusion_functions_json::register_all(&mut base)?;
        Ok(Self { base })
    }

    /// A session at the moment `now`, in which `tables` is all there is.
    pub(crate) fn open(
        &self,
        tables: Arc<ProjectTables>,
        settings: &Settings,
        now: Micros,
        joins: Joins,
    ) -> Result<SessionState> {
        let store = Arc::clone(&tables.parts.store);
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, tables)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let mut session = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(runtime(settings, Some(store))?)
            .build();
        session.config_mut().options_mut().optimizer.prefer_hash_join = joins == Joins::ByHashing;
        let options = Arc::clone(session.config_options());
        let props = session.execution_props_mut();
        props.query_execution_start_time = DateTime::from_timestamp_micros(now);
        props.config_options = Some(options);
        Ok(session)
    }
}

fn config(settings: &Settings) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(settings.threads);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".to_owned());
    // DataFusion 55.2: it moves JSON look-ups below projections and there fails on `column AS column`.
    options.optimizer.enable_leaf_expression_pushdown = false;
    config
}

fn runtime(settings: &Settings, store: Option<Arc<dyn ObjectStore>>) -> Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![settings.spill_dir.clone()]))
        .with_max_temp_directory_size(settings.spill_bytes_max);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(settings.memory_bytes)))
        .with_disk_manager_builder(disk)
        .with_object_store_registry(Arc::new(OneStore { store }))
        .build_arc()
}

/// Knows the project's root and refuses every other URL.
#[derive(Debug)]
struct OneStore {
    store: Option<Arc<dyn ObjectStore>>,
}

impl ObjectStoreRegistry for OneStore {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match &self.store {
            Some(store) if url.as_str().trim_end_matches('/') == STORE_URL => Ok(Arc::clone(store)),
            _ => exec_err!("no store is called {url}"),
        }
    }
}

/// The tables of one project, each loaded when the SQL first names it.
pub(crate) struct ProjectTables {
    project: ProjectId,
    tables: Arc<Tables>,
    freshness: Freshness,
    parts: TableParts,
    loaded: tokio::sync::Mutex<HashMap<TableName, Arc<Table>>>,
    /// Why a table could not be loaded; DataFusion hands on only its words.
    failure: Mutex<Option<QueryError>>,
}

impl ProjectTables {
    pub(crate) fn new(project: ProjectId, tables: Arc<Tables>, freshness: Freshness, parts: TableParts) -> Self {
        Self { project, tables, freshness, parts, loaded: Default::default(), failure: Mutex::default() }
    }

    /// The error behind a failed planning, if a table was its cause.
    pub(crate) fn take_failure(&self) -> Option<QueryError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn load(&self, table: TableName) -> Result<Arc<Table>, QueryError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(table) = loaded.get(&table) {
            return Ok(Arc::clone(table));
        }
        let view = {
            let _waiting = self.parts.meter.waits.begin(On::Store("the metadata store, or the table's log,"));
            self.tables.view(&TableId::new(self.project.clone(), table), self.freshness).await?
        };
        let made = Arc::new(Table::new(view, self.parts.clone()));
        loaded.insert(table, Arc::clone(&made));
        Ok(made)
    }
}

/// The parts that tables of a project read with.
pub(crate) fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(STORE_URL).expect("a constant URL")
}

impl fmt::Debug for ProjectTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProjectTables({})", self.project)
    }
}

#[async_trait]
impl SchemaProvider for ProjectTables {
    fn table_names(&self) -> Vec<String> {
        TableName::ALL.map(|table| table.to_string()).into()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Ok(table) = name.parse::<TableName>() else { return Ok(None) };
        match self.load(table).await {
            Ok(table) => Ok(Some(table)),
            Err(error) => {
                let words = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                plan_err!("{words}")
            }
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        name.parse::<TableName>().is_ok()
    }
}
