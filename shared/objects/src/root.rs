//! Where projects keep their objects.

use std::sync::Arc;

use model::{ProjectId, TableName};
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::Links;

/// Opens the root of any project: one base store, a folder per project.
#[derive(Clone, Debug)]
pub struct Roots {
    base: Arc<dyn ObjectStore>,
    url: Url,
    links: Option<Links>,
}

/// The root of one project. Nothing outside it can be named through it.
#[derive(Clone, Debug)]
pub struct ProjectRoot {
    /// Paths are relative to the project's root.
    pub store: Arc<dyn ObjectStore>,
    /// The root as other engines open it, with a trailing slash.
    pub url: Url,
    /// None: this store makes no links.
    pub links: Option<Links>,
}

impl Roots {
    /// `url` is what other engines open `base` by: `file:///...` or `s3://bucket/prefix`.
    pub fn new(base: Arc<dyn ObjectStore>, mut url: Url) -> Self {
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Self { base, url, links: None }
    }

    /// The same roots, to whose objects links can be made; `links` begin where `base` does.
    #[must_use]
    pub fn with_links(self, links: Links) -> Self {
        Self { links: Some(links), ..self }
    }

    pub fn open(&self, project: &ProjectId) -> ProjectRoot {
        let store = PrefixStore::new(Arc::clone(&self.base), Path::from(project.as_str()));
        let mut url = self.url.clone();
        url.set_path(&format!("{}{project}/", self.url.path()));
        let links = self.links.as_ref().map(|links| links.below(project.as_str()));
        ProjectRoot { store: Arc::new(store), url, links }
    }

    /// The store that all roots lie in.
    pub fn base(&self) -> &Arc<dyn ObjectStore> {
        &self.base
    }
}

impl ProjectRoot {
    /// The table's root as other engines open it, with a trailing slash.
    pub fn table_url(&self, table: TableName) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{table}/", self.url.path()));
        url
    }
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
        let root = roots.open(&ProjectId::parse("shop").expect("an id"));
        root.store.put(&Path::from("a/b"), "x".into()).await.expect("put");
        assert!(base.get(&Path::from("shop/a/b")).await.is_ok());
        assert_eq!(root.table_url(TableName::Metrics).as_str(), "s3://bucket/prefix/shop/otel_metrics/");
    }
}
