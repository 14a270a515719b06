//! Looking around: the home page, a product, a search.

use super::super::trace::{Severity, Trace};
use super::super::visitor::{Product, Visitor};
use super::{gateway, inventory, page, recommend};

pub(super) fn home(t: &mut Trace, visitor: &Visitor) {
    page(t, visitor, ("GET", "/", "/"), |t| {
        gateway(t, ("GET", "/api/home", "/api/home"), |t| {
            t.at_once(inventory::newest, recommend::for_visitor);
            200
        })
    });
}

pub(super) fn product(t: &mut Trace, visitor: &Visitor) {
    let product = Product::any(t);
    let sku = product.sku();
    page(t, visitor, ("GET", "/product/[sku]", &format!("/product/{sku}")), |t| {
        gateway(t, ("GET", "/api/products/{sku}", &format!("/api/products/{sku}")), |t| {
            let found = inventory::product(t, &sku);
            if found {
                t.at_once(|t| inventory::stock(t, &sku), |t| recommend::similar(t, &sku));
                200
            } else {
                404
            }
        })
    });
}

pub(super) fn missing_product(t: &mut Trace, visitor: &Visitor) {
    let sku = format!("PS-{:06}", t.number(1_000_000));
    page(t, visitor, ("GET", "/product/[sku]", &format!("/product/{sku}")), |t| {
        gateway(t, ("GET", "/api/products/{sku}", &format!("/api/products/{sku}")), |t| {
            inventory::no_such_product(t, &sku);
            404
        })
    });
}

pub(super) fn search(t: &mut Trace, visitor: &Visitor) {
    let words = *t.pick(&["lamp", "wool blanket", "sale", "teapot", "desk", "rain coat", "kettle", "socks"]);
    let query = words.replace(' ', "+");
    page(t, visitor, ("GET", "/search", &format!("/search?q={query}")), |t| {
        gateway(t, ("GET", "/api/search", &format!("/api/search?q={query}")), |t| {
            let hits = t.number(60);
            inventory::search(t, words, hits);
            t.log(
                Severity::Info,
                &format!("search \"{words}\" found {hits} products"),
                &[("search.words", words.into()), ("search.hits", (hits as i64).into())],
            );
            200
        })
    });
}
