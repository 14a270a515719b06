//! An order: cart, stock, payment, the order's row, a message to `shipping`.
//!
//! For twenty minutes a day one card provider does not answer: see [`super::super::trouble`].

use super::super::calls::{self, HttpCall, Query};
use super::super::meters::{Exemplar, Instrument, LabelValue, NO_LABEL};
use super::super::service::{Service, mix, uuid_like};
use super::super::stack;
use super::super::trace::{Context, Kind, Severity, Trace};
use super::super::trouble;
use super::super::visitor::{Product, Visitor};
use super::super::wire::Value;
use super::{cart, gateway, inventory, page, ship};

const POSTGRES: Query = Query {
    system: "postgresql",
    host: "orders-db.shop.internal",
    port: 5432,
    namespace: "orders",
    operation: "INSERT",
    collection: "orders",
    text: "INSERT INTO orders (id, customer, total_cents, provider, placed_at) VALUES ($1, $2, $3, $4, now())",
    typical_ms: 3.2,
};

/// What is ordered.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) items: i64,
    total_eur: f64,
    provider: &'static str,
}

pub(super) fn place_order(t: &mut Trace, visitor: &Visitor) {
    let order = Order::draw(t);
    let mut sent = None;
    page(t, visitor, ("POST", "/api/checkout", "/api/checkout"), |t| {
        let status = gateway(t, ("POST", "/api/orders", "/api/orders"), |t| {
            let call = HttpCall {
                from: Service::Gateway,
                to: Service::Checkout,
                method: "POST",
                route: "/orders",
                path: "/orders",
            };
            calls::http(t, &call, |t| {
                t.set("shop.order.id", &order.id);
                let (status, message) = checkout(t, visitor, &order);
                sent = message;
                status
            })
        });
        if status >= 500 {
            let release = t.release();
            t.throw(&stack::bad_gateway("/api/orders", release));
        }
        status
    });
    if let Some(message) = sent {
        ship::after(t, &order, message);
    }
}

impl Order {
    fn draw(t: &mut Trace) -> Self {
        let items = 1 + t.number(4).cast_signed();
        let total_eur = (0..items).map(|_| Product::any(t).price_eur()).sum();
        let provider = match t.number(100) {
            0..=34 => "cardex",
            45..=79 => trouble::FAILING_PROVIDER,
            _ => "paybuddy",
        };
        let draw = t.number(u64::MAX);
        Self { id: uuid_like(draw, mix(draw, 1)), items, total_eur, provider }
    }
}

/// The status, and the message to `shipping` if the order was paid.
fn checkout(t: &mut Trace, visitor: &Visitor, order: &Order) -> (i64, Option<Context>) {
    if cart::load(t, Service::Checkout, visitor) != 200 {
        return (503, None);
    }
    if !inventory::reserve(t, &order.id, order.items) {
        return (409, None);
    }
    if charge(t, order) != "OK" {
        t.throw(&stack::payment_unavailable(&order.id));
        return (502, None);
    }
    calls::query(t, Service::Checkout, &POSTGRES, 1);
    let message = calls::send(t, Service::Checkout, "orders", &order.id, visitor.cart_key());
    let said = [
        ("event", Value::Text("order placed")),
        ("order_id", Value::Text(&order.id)),
        ("items", Value::Int(order.items)),
        ("total_eur", Value::Double(order.total_eur)),
        ("payment", Value::Map(&[("provider", Value::Text(order.provider)), ("attempts", Value::Int(1))])),
    ];
    t.log(Severity::Info, Value::Map(&said), &[("log.logger", "example.shop.checkout.OrderService".into())]);
    count(t, order);
    (201, Some(message))
}

fn charge(t: &mut Trace, order: &Order) -> &'static str {
    calls::grpc(t, Service::Checkout, Service::Payment, "shop.payment.v1.Payment/Charge", |t| {
        t.set("shop.payment.provider", order.provider);
        t.set("shop.order.id", &order.id);
        let failing = order.provider == trouble::FAILING_PROVIDER && trouble::provider_is_failing(t.now_micros());
        let times_out = failing && t.chance(trouble::FAILING_SHARE);
        let host = format!("api.{}.example", order.provider);
        t.within(Service::Payment, Kind::Client, "POST", |t| {
            t.set("http.request.method", "POST");
            t.set("url.full", &format!("https://{host}/v2/charges"));
            t.set("server.address", &host);
            t.set("server.port", 443);
            if times_out {
                t.spend_exactly(10_000.0);
                t.fail("Net::ReadTimeout", "");
            } else {
                t.spend(180.0);
                t.set("http.response.status_code", 201);
            }
        });
        if times_out {
            let release = t.release();
            t.throw(&stack::provider_timed_out(order.provider, release));
            return "UNAVAILABLE";
        }
        let card = 1_000 + t.number(9_000);
        let body = format!("charged {:.2} EUR to card ending in {card} through {}", order.total_eur, order.provider);
        t.log(Severity::Info, &body, &[("shop.payment.provider", order.provider.into())]);
        "OK"
    })
}

fn count(t: &mut Trace, order: &Order) {
    let instance = t.instance(Service::Checkout);
    let labels = [("shop.payment.provider", LabelValue::Text(order.provider)), NO_LABEL, NO_LABEL];
    let exemplar = Exemplar { value: 1.0, at: t.now(), of: t.context() };
    t.meters.record(Instrument::Orders, instance, labels, exemplar);
    t.meters.record(Instrument::Revenue, instance, labels, Exemplar { value: order.total_eur, ..exemplar });
}
