//! What the gateway and the checkout ask of `inventory`.
//!
//! Since the deploy `SELECT stock_levels` scans the table: see [`super::super::trouble`].

use super::super::calls::{self, Query};
use super::super::service::{Release, Service};
use super::super::trace::{Severity, Trace};
use super::super::trouble;

const POSTGRES: Query = Query {
    system: "postgresql",
    host: "inventory-db.shop.internal",
    port: 5432,
    namespace: "inventory",
    operation: "SELECT",
    collection: "products",
    text: "",
    typical_ms: 1.8,
};

pub(super) fn product(t: &mut Trace, sku: &str) -> bool {
    let found = !t.chance(0.004);
    look_up(t, sku, found);
    found
}

pub(super) fn no_such_product(t: &mut Trace, sku: &str) {
    look_up(t, sku, false);
}

fn look_up(t: &mut Trace, sku: &str, found: bool) {
    calls::grpc(t, Service::Gateway, Service::Inventory, "shop.inventory.v1.Catalog/GetProduct", |t| {
        t.set("shop.product.sku", sku);
        let text = "SELECT sku, title, price_cents, currency, description FROM products WHERE sku = $1";
        calls::query(t, Service::Inventory, &Query { text, ..POSTGRES }, i64::from(found));
        if found {
            "OK"
        } else {
            t.log(Severity::Warn, &format!("product {sku} not found"), &[("code.file.path", "src/catalog.rs".into())]);
            "NOT_FOUND"
        }
    });
}

pub(super) fn stock(t: &mut Trace, sku: &str) {
    calls::grpc(t, Service::Gateway, Service::Inventory, "shop.inventory.v1.Stock/GetLevels", |t| {
        t.set("shop.product.sku", sku);
        stock_query(t);
        "OK"
    });
}

/// Slow since the deploy, which compares on an expression that no index covers.
fn stock_query(t: &mut Trace) {
    let (text, slowdown) = match t.release() {
        Release::Old => ("SELECT warehouse, quantity FROM stock_levels WHERE sku = $1", 1.0),
        Release::New => {
            ("SELECT warehouse, quantity FROM stock_levels WHERE upper(sku) = upper($1)", trouble::STOCK_SLOWDOWN)
        }
    };
    let query = Query { collection: "stock_levels", text, typical_ms: 2.2 * slowdown, ..POSTGRES };
    calls::query(t, Service::Inventory, &query, 3);
}

pub(super) fn newest(t: &mut Trace) {
    calls::grpc(t, Service::Gateway, Service::Inventory, "shop.inventory.v1.Catalog/ListNewest", |t| {
        let text = "SELECT sku, title, price_cents FROM products ORDER BY added_at DESC LIMIT $1";
        calls::query(t, Service::Inventory, &Query { text, typical_ms: 3.5, ..POSTGRES }, 24);
        "OK"
    });
}

pub(super) fn search(t: &mut Trace, words: &str, hits: u64) {
    calls::grpc(t, Service::Gateway, Service::Inventory, "shop.inventory.v1.Catalog/Search", |t| {
        t.set("search.words", words);
        let text = "SELECT sku, title FROM products WHERE tsv @@ websearch_to_tsquery($1) ORDER BY ts_rank(tsv, websearch_to_tsquery($1)) DESC LIMIT 60";
        let rows = hits.cast_signed();
        calls::query(t, Service::Inventory, &Query { text, typical_ms: 14.0, ..POSTGRES }, rows);
        if hits == 0 {
            t.log(Severity::Debug, &format!("no hits for \"{words}\""), &[]);
        }
        "OK"
    });
}

/// Takes the order's items out of stock; false: one of them is sold out.
pub(super) fn reserve(t: &mut Trace, order: &str, items: i64) -> bool {
    let status = calls::grpc(t, Service::Checkout, Service::Inventory, "shop.inventory.v1.Stock/Reserve", |t| {
        t.set("shop.order.id", order);
        stock_query(t);
        if t.chance(0.02) {
            t.log(
                Severity::Warn,
                &format!("order {order}: sold out, nothing reserved"),
                &[("shop.order.id", order.into())],
            );
            return "FAILED_PRECONDITION";
        }
        let text = "UPDATE stock_levels SET quantity = quantity - $2 WHERE sku = $1 AND quantity >= $2";
        let update = Query { operation: "UPDATE", collection: "stock_levels", text, typical_ms: 2.6, ..POSTGRES };
        calls::query(t, Service::Inventory, &update, items);
        "OK"
    });
    status == "OK"
}
