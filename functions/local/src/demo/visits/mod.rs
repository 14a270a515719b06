//! What people, bots and timers do in the shop; one file per kind of visit.

mod browse;
mod cart;
mod checkout;
mod inventory;
mod jobs;
mod recommend;
mod ship;

pub(super) use jobs::{killed, rebuild_index};

use super::calls::{self, HttpCall};
use super::service::Service;
use super::trace::Trace;
use super::visitor::{self, Visitor};

/// One person comes and asks for one thing.
pub(super) fn visit(t: &mut Trace) {
    let visitor = visitor::arriving(t);
    match t.number(100) {
        0..=22 => browse::home(t, &visitor),
        23..=56 => browse::product(t, &visitor),
        57..=68 => browse::search(t, &visitor),
        69..=79 => cart::view(t, &visitor),
        80..=89 => cart::add(t, &visitor),
        _ => checkout::place_order(t, &visitor),
    }
}

/// The bot comes and asks for what is not there.
pub(super) fn bot_visit(t: &mut Trace) {
    browse::missing_product(t, &visitor::bot());
}

/// A page: the request from outside to `web`, which asks the gateway.
fn page(
    t: &mut Trace,
    visitor: &Visitor,
    (method, route, path): (&'static str, &'static str, &str),
    answer: impl FnOnce(&mut Trace) -> i64,
) {
    let call = HttpCall { from: Service::Web, to: Service::Web, method, route, path };
    calls::serve(
        t,
        &call,
        |t| {
            t.set("server.address", "shop.example");
            t.set("server.port", 443);
            visitor.introduce(t);
        },
        |t| {
            let started = t.now();
            t.spend(1.2);
            let status = answer(t);
            t.spend(4.0);
            calls::access_log(t, method, path, status, started);
            status
        },
    );
}

/// What `web` asks of the gateway.
fn gateway(
    t: &mut Trace,
    (method, route, path): (&'static str, &'static str, &str),
    answer: impl FnOnce(&mut Trace) -> i64,
) -> i64 {
    calls::http(t, &HttpCall { from: Service::Web, to: Service::Gateway, method, route, path }, |t| {
        let started = t.now();
        t.spend(0.4);
        let status = answer(t);
        t.spend(0.2);
        calls::access_log(t, method, path, status, started);
        status
    })
}
