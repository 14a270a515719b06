//! `shipping` takes the message and orders a parcel: a trace of its own that links to the order's. Its PHP SDK is an old one,
//! so everything here has the older attribute names, which fill the same columns.

use super::super::service::Service;
use super::super::stack;
use super::super::trace::{Context, Kind, Severity, Trace};
use super::checkout::Order;

/// Some time after the message was sent.
pub(super) fn after(t: &mut Trace, order: &Order, message: Context) {
    let waited_ms = 80.0 + 40.0 * t.number(60) as f64;
    t.spend_exactly(waited_ms);
    t.begin_at(t.now());
    t.within(Service::Shipping, Kind::Consumer, "orders process", |t| {
        t.link(message, &[("messaging.message_id", (&order.id).into())]);
        t.set("messaging.system", "kafka");
        t.set("messaging.destination", "orders");
        t.set("messaging.operation", "process");
        t.set("messaging.message_id", &order.id);
        t.set("messaging.kafka.consumer_group", "shipping");
        t.set("net.peer.name", "kafka.shop.internal");
        t.set("net.peer.port", 9092);
        t.log(Severity::Info, &format!("order {} taken after {waited_ms:.0} ms in the queue", order.id), &[]);
        look_up_address(t);
        order_parcel(t);
    });
}

fn look_up_address(t: &mut Trace) {
    t.within(Service::Shipping, Kind::Client, "SELECT shipping.addresses", |t| {
        t.set("db.system", "mysql");
        t.set("db.name", "shipping");
        t.set("db.operation", "SELECT");
        t.set("db.sql.table", "addresses");
        t.set("db.statement", "SELECT street, postal_code, city, country FROM addresses WHERE customer = ?");
        t.set("net.peer.name", "shipping-db.shop.internal");
        t.set("net.peer.port", 3306);
        t.spend(2.8);
    });
}

fn order_parcel(t: &mut Trace) {
    let parcel = 4_000_000_000 + t.number(999_999_999);
    let refused = t.chance(0.012);
    t.within(Service::Shipping, Kind::Client, "HTTP POST", |t| {
        t.set("http.method", "POST");
        t.set("http.url", "https://api.swiftparcel.example/v1/parcels");
        t.set("http.user_agent", "shop-shipping/1.3 (PHP 8.2)");
        t.set("http.flavor", "1.1");
        t.set("net.peer.name", "api.swiftparcel.example");
        t.set("net.peer.port", 443);
        t.spend(95.0);
        t.set("http.status_code", if refused { 422 } else { 201 });
        if refused {
            t.fail("422", "Unprocessable Content");
        }
    });
    if refused {
        t.throw(&stack::address_refused(parcel));
    } else {
        t.log(Severity::Info, &format!("parcel {parcel} ordered, label of {} bytes", 9_000 + parcel % 4_000), &[]);
    }
}
