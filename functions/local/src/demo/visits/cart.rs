//! The cart, kept in Redis. `cart` warns of every miss six times: see [`super::super::trouble`].

use super::super::calls::{self, HttpCall, Query};
use super::super::service::Service;
use super::super::stack;
use super::super::trace::{Severity, Trace};
use super::super::trouble;
use super::super::visitor::{Product, Visitor};
use super::{gateway, inventory, page};

const REDIS: Query = Query {
    system: "redis",
    host: "cart-redis.shop.internal",
    port: 6379,
    namespace: "0",
    operation: "HGETALL",
    collection: "",
    text: "",
    typical_ms: 0.6,
};

pub(super) fn view(t: &mut Trace, visitor: &Visitor) {
    page(t, visitor, ("GET", "/cart", "/cart"), |t| {
        gateway(t, ("GET", "/api/cart", "/api/cart"), |t| load(t, Service::Gateway, visitor))
    });
}

pub(super) fn add(t: &mut Trace, visitor: &Visitor) {
    let sku = Product::any(t).sku();
    page(t, visitor, ("POST", "/api/cart", "/api/cart"), |t| {
        gateway(t, ("POST", "/api/cart/items", "/api/cart/items"), |t| {
            if !inventory::product(t, &sku) {
                return 404;
            }
            let call = HttpCall {
                from: Service::Gateway,
                to: Service::Cart,
                method: "POST",
                route: "/carts/{id}/items",
                path: &format!("/carts/{}/items", visitor.cart_key()),
            };
            calls::http(t, &call, |t| {
                let quantity = 1 + t.number(3);
                warn_of_miss(t, visitor);
                let text = format!("HSET cart:{} {sku} ?", visitor.cart_key());
                calls::query(t, Service::Cart, &Query { operation: "HSET", text: &text, ..REDIS }, 1);
                t.event(
                    "cart.item_added",
                    &[("shop.product.sku", (&sku).into()), ("quantity", quantity.cast_signed().into())],
                );
                t.log(Severity::Info, &format!("added {quantity} of {sku}"), &[("shop.product.sku", (&sku).into())]);
                201
            })
        })
    });
}

/// Asks `cart` for the visitor's cart; its status.
pub(super) fn load(t: &mut Trace, from: Service, visitor: &Visitor) -> i64 {
    let path = format!("/carts/{}", visitor.cart_key());
    let call = HttpCall { from, to: Service::Cart, method: "GET", route: "/carts/{id}", path: &path };
    calls::http(t, &call, |t| {
        warn_of_miss(t, visitor);
        let key = format!("cart:{}", visitor.cart_key());
        let text = format!("HGETALL {key}");
        if t.chance(0.003) {
            let elapsed_ms = 5_001 + t.number(60);
            t.spend_exactly(elapsed_ms as f64);
            t.throw(&stack::redis_timed_out(&key, elapsed_ms));
            return 503;
        }
        let items = t.number(6).cast_signed();
        calls::query(t, Service::Cart, &Query { text: &text, ..REDIS }, items);
        200
    })
}

fn warn_of_miss(t: &mut Trace, visitor: &Visitor) {
    for attempt in 1..=trouble::WARNINGS_PER_MISS {
        let wait_ms = 1 + t.number(9);
        let body =
            format!("cache miss for key cart:{}, attempt {attempt}, retrying in {wait_ms} ms", visitor.cart_key());
        t.log(Severity::Warn, &body, &[("log.logger", "Shop.Cart.CartCache".into())]);
        t.spend(0.05);
    }
}
