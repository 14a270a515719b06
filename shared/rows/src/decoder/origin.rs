//! Where records come from: resource and scope, decoded once and referred to by every row.

use arrow_array::Int32Array;
use model::Signal;
use otlp::view::common::{EntityRef, Resource, Scope};
use otlp::view::{ResourceGroup, ScopeGroup};

use super::Refused;
use super::attributes::{Attributes, Pending, Side};
use super::outcome::Refusal;
use super::series::Digest;
use crate::column::{Column, Text, coded_array};
use crate::json::{self, Lossy};
use crate::promoted::{Place, promoted};
use crate::schema::Columns;

/// What `resource` may hold over all scopes: a resource is spelled out once for each of its scopes, so many scopes under a long
/// resource could otherwise outgrow the body without bound.
const ORIGIN_BYTES_MAX: usize = 256 << 20;

/// Resources and scopes of a batch, and which row has which.
pub(super) struct Origins {
    resources: Attributes,
    n_resources: usize,
    // By origin, which is a scope of a resource.
    scope_name: Text,
    scope_version: Text,
    json: Text,
    n_origins: usize,
    // By row.
    row_resource: Vec<i32>,
    row_origin: Vec<i32>,
    service_name: usize,
}

/// A resource that was taken.
pub(super) struct TakenResource<'a> {
    code: usize,
    message: Resource<'a>,
}

/// A scope of a resource that was taken.
pub(super) struct Origin {
    resource: usize,
    code: usize,
    /// Of metrics only: over resource and scope, for the ids of series.
    pub(super) digest: Option<Digest>,
}

impl Default for Origins {
    fn default() -> Self {
        let is_service_name = |row: &crate::Promoted| row.key == "service.name";
        Self {
            resources: Attributes::new(Place::Resource),
            n_resources: 0,
            scope_name: Text::default(),
            scope_version: Text::default(),
            json: Text::default(),
            n_origins: 0,
            row_resource: Vec::new(),
            row_origin: Vec::new(),
            service_name: promoted(Place::Resource).iter().position(is_service_name).expect("in the table"),
        }
    }
}

impl Origins {
    /// Takes the resource of `group`.
    pub(super) fn resource<'a>(
        &mut self,
        group: &ResourceGroup<'a>,
        lossy: &mut Lossy,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<TakenResource<'a>, Refused> {
        let mut resource = Resource::default();
        for message in group.resource {
            resource.merge(message?)?;
        }
        let code = self.n_resources;
        let taken = self.fill_resource(code, group, &resource, lossy, pending);
        if taken.is_err() {
            pending.clear();
            self.resources.truncate(code);
        }
        taken?;
        self.n_resources += 1;
        Ok(TakenResource { code, message: resource })
    }

    fn fill_resource<'a>(
        &mut self,
        code: usize,
        group: &ResourceGroup<'a>,
        resource: &Resource<'a>,
        lossy: &mut Lossy,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<(), Refused> {
        self.resources.pairs(code, &resource.attributes, Side::Else, lossy, pending)?;
        if !group.schema_url.is_empty() {
            lossy.string(self.resources.own_key(code, "otel.schema_url"), group.schema_url);
        }
        let dropped = i64::from(resource.dropped_attributes_count);
        self.resources.own_number(code, "otel.dropped_attributes_count", dropped);
        if !resource.entity_refs.is_empty() {
            entity_refs(self.resources.own_key(code, "otel.entity_refs"), &resource.entity_refs, lossy)?;
        }
        self.resources.end();
        Ok(())
    }

    /// Takes a scope of `resource`.
    pub(super) fn scope(
        &mut self,
        resource: &TakenResource<'_>,
        group: &ScopeGroup<'_>,
        signal: Signal,
        lossy: &mut Lossy,
    ) -> Result<Origin, Refused> {
        if self.json.n_bytes() > ORIGIN_BYTES_MAX {
            return Err(Refusal::TooLarge.into());
        }
        let mut scope = Scope::default();
        for message in group.scope {
            scope.merge(message?)?;
        }
        let digest = match signal {
            Signal::Metrics => Some(Digest::of_scope(&resource.message, &scope)?),
            Signal::Traces | Signal::Logs => None,
        };
        let code = self.n_origins;
        let taken = self.fill_scope(code, resource, group, &scope, lossy);
        if taken.is_err() {
            self.scope_name.truncate(code);
            self.scope_version.truncate(code);
            self.json.truncate(code);
        }
        taken?;
        self.n_origins += 1;
        Ok(Origin { resource: resource.code, code, digest })
    }

    fn fill_scope(
        &mut self,
        code: usize,
        resource: &TakenResource<'_>,
        group: &ScopeGroup<'_>,
        scope: &Scope<'_>,
        lossy: &mut Lossy,
    ) -> Result<(), Refused> {
        for (column, text) in [(&mut self.scope_name, scope.name), (&mut self.scope_version, scope.version)] {
            if !text.is_empty() {
                lossy.append(column.open(code), text);
                column.close();
            }
        }
        let own = self.resources.json(resource.code);
        let has_more =
            !group.schema_url.is_empty() || !scope.attributes.is_empty() || scope.dropped_attributes_count > 0;
        if own.is_none() && !has_more {
            return Ok(());
        }
        // The resource's object, without its end.
        let out = self.json.open(code);
        out.extend_from_slice(own.map_or(b"{", |own| &own[..own.len() - 1]));
        let start = out.len() - own.map_or(1, |own| own.len() - 1);
        let key = |out: &mut Vec<u8>, key: &str| {
            if out.len() > start + 1 {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{key}\":").as_bytes());
        };
        if !group.schema_url.is_empty() {
            key(out, "otel.scope.schema_url");
            lossy.string(out, group.schema_url);
        }
        if !scope.attributes.is_empty() {
            key(out, "otel.scope.attributes");
            lossy.object(out, &scope.attributes)?;
        }
        if scope.dropped_attributes_count > 0 {
            key(out, "otel.scope.dropped_attributes_count");
            json::int(out, i64::from(scope.dropped_attributes_count));
        }
        out.push(b'}');
        self.json.close();
        Ok(())
    }

    /// Makes room for so many more rows.
    pub(super) fn reserve(&mut self, n_rows: usize) {
        self.row_resource.reserve(n_rows);
        self.row_origin.reserve(n_rows);
    }

    /// Says that the next row comes from `origin`.
    #[inline]
    pub(super) fn add_row(&mut self, origin: &Origin) {
        self.row_resource.push(origin.resource as i32);
        self.row_origin.push(origin.code as i32);
    }

    #[cfg(test)]
    pub(super) fn n_origins(&self) -> usize {
        self.n_resources.max(self.n_origins)
    }

    /// `service.name` of an origin.
    pub(super) fn service_name(&self, origin: &Origin) -> &[u8] {
        self.resources.text(self.service_name, origin.resource).unwrap_or_default()
    }

    /// Rows only: resources and scopes that no row refers to any more stay.
    pub(super) fn truncate(&mut self, n_rows: usize) {
        self.row_resource.truncate(n_rows);
        self.row_origin.truncate(n_rows);
    }

    pub(super) fn finish(self, out: &mut Columns) {
        let by_origin = Int32Array::from(self.row_origin);
        let of_origin =
            |values: Text| values.finish(self.n_origins).map(|values| coded_array(by_origin.clone(), values));
        out.put_scope([of_origin(self.scope_name), of_origin(self.scope_version)]);
        // The JSON of resources went into that of origins.
        out.put_json(Place::Resource, of_origin(self.json));
        self.resources.finish_coded(self.n_resources, &Int32Array::from(self.row_resource), out);
    }
}

/// `[{"type":"service","id_keys":["service.name"]}]`
fn entity_refs(out: &mut Vec<u8>, entities: &[&[u8]], lossy: &mut Lossy) -> Result<(), Refused> {
    out.push(b'[');
    for (n, entity) in entities.iter().enumerate() {
        let entity = EntityRef::read(entity)?;
        out.extend_from_slice(if n == 0 { b"{\"type\":" } else { b",{\"type\":" });
        lossy.string(out, entity.kind);
        if !entity.schema_url.is_empty() {
            out.extend_from_slice(b",\"schema_url\":");
            lossy.string(out, entity.schema_url);
        }
        for (name, keys) in [("id_keys", &entity.id_keys), ("description_keys", &entity.description_keys)] {
            if keys.is_empty() {
                continue;
            }
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":[");
            for (n, key) in keys.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                lossy.string(out, key);
            }
            out.push(b']');
        }
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}
