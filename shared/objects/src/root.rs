//! Where projects keep their objects.

use std::fmt;
use std::sync::Arc;

use meta::projects::Projects;
use model::{ProjectId, TableId, TableName};
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::Links;
use crate::bucket::{OpenBucket, RootError};
use crate::buckets::Buckets;
use crate::store::{ProjectSigner, ProjectStore};

/// Opens the root of any project: a folder per project in one base store, or in the bucket that its owner brings.
#[derive(Clone)]
pub struct Roots {
    base: Arc<dyn ObjectStore>,
    url: Url,
    links: Option<Links>,
    buckets: Option<Buckets>,
}

/// The root of one project. Nothing outside it can be named through it.
#[derive(Clone, Debug)]
pub struct ProjectRoot {
    /// Paths are relative to the project's root.
    pub store: Arc<dyn ObjectStore>,
    /// None: this store makes no links.
    pub links: Option<Links>,
    roots: Roots,
    project: ProjectId,
}

impl Roots {
    /// All projects in `base`; `url` is what other engines open it by: `file:///...` or `s3://bucket/prefix`.
    pub fn new(base: Arc<dyn ObjectStore>, mut url: Url) -> Self {
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Self { base, url, links: None, buckets: None }
    }

    /// Those projects that were made so have their root in a bucket of their owner's, entered through `door`.
    #[must_use]
    pub fn with_buckets(self, projects: Arc<Projects>, door: Arc<dyn OpenBucket>) -> Self {
        Self { buckets: Some(Buckets::new(projects, door)), ..self }
    }

    /// The same roots, to whose objects links can be made; `links` begin where `base` does.
    #[must_use]
    pub fn with_links(self, links: Links) -> Self {
        Self { links: Some(links), ..self }
    }

    /// Never fails: where the root lies is found out with each call on its store, which says what is wrong.
    pub fn open(&self, project: &ProjectId) -> ProjectRoot {
        let own: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(Arc::clone(&self.base), Path::from(project.as_str())));
        let own_links = self.links.as_ref().map(|links| links.below(project.as_str()));
        let (roots, project) = (self.clone(), project.clone());
        let Some(buckets) = &self.buckets else {
            return ProjectRoot { store: own, links: own_links, roots, project };
        };
        let links = own_links.map(|own| {
            let signer = ProjectSigner { project: project.clone(), own, buckets: buckets.clone() };
            Links::new(Arc::new(signer), Path::default())
        });
        let store = ProjectStore { project: project.clone(), own, buckets: buckets.clone() };
        ProjectRoot { store: Arc::new(store), links, roots, project }
    }

    /// The project's root as other engines open it, with a trailing slash.
    pub async fn uri(&self, project: &ProjectId) -> Result<Url, RootError> {
        let entrance = match &self.buckets {
            None => None,
            Some(buckets) => buckets.entrance(project).await?,
        };
        let Some(entrance) = entrance else { return Ok(self.own_url(project)) };
        Ok(Url::parse(&format!("{entrance}/"))
            .expect("bucket names, prefixes and project ids need no escapes in a URL"))
    }

    /// The table's root as other engines open it, with a trailing slash.
    pub async fn table_uri(&self, table: &TableId) -> Result<Url, RootError> {
        Ok(below(&self.uri(&table.project).await?, table.table.as_str()))
    }

    /// The store that all roots of the installation's own lie in.
    pub fn base(&self) -> &Arc<dyn ObjectStore> {
        &self.base
    }

    /// Where the installation keeps all projects that have no bucket of their own, with a trailing slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    fn own_url(&self, project: &ProjectId) -> Url {
        below(&self.url, project.as_str())
    }
}

impl ProjectRoot {
    /// Names the table in errors: by where it lies now, or by whose it is if that is not known.
    pub async fn table_name(&self, table: TableName) -> String {
        let table = TableId::new(self.project.clone(), table);
        match self.roots.table_uri(&table).await {
            Ok(uri) => uri.into(),
            Err(_) => table.to_string(),
        }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("url", &self.url.as_str()).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A folder below a URL that ends with a slash.
fn below(url: &Url, folder: &str) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("{}{folder}/", url.path()));
    url
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn each_project_has_its_own_folder() {
        let base = Arc::new(InMemory::new());
        let url = Url::parse("s3://bucket/prefix").expect("a url");
        let roots = Roots::new(base.clone(), url);
        let shop = ProjectId::parse("shop").expect("an id");
        let root = roots.open(&shop);
        root.store.put(&Path::from("a/b"), "x".into()).await.expect("put");
        assert!(base.get(&Path::from("shop/a/b")).await.is_ok());
        assert_eq!(root.table_name(TableName::Metrics).await, "s3://bucket/prefix/shop/otel_metrics/");
    }
}
