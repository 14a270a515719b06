//! Who visits the shop, and what there is to buy.

use model::Micros;

use super::service::{mix, uuid_like};
use super::trace::Trace;
use super::trouble;

/// Who asks: one of [`USERS`] people, or a bot.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) session_id: String,
    /// None: not signed in.
    pub(super) user_id: Option<String>,
    pub(super) address: String,
    pub(super) user_agent: &'static str,
}

/// Something to buy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    number: u64,
}

const USERS: u64 = 5_000;
const PRODUCTS: u64 = 800;
/// A session: who comes within the same half hour comes again.
const SESSION: Micros = 30 * 60 * 1_000_000;
/// People who are around in one session's time.
const AROUND: u64 = 90;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
];

/// Whoever comes now.
pub(super) fn arriving(t: &mut Trace) -> Visitor {
    let half_hour = t.now_micros().div_euclid(SESSION).cast_unsigned();
    let person = mix(half_hour, t.number(AROUND));
    let user = mix(person, 1) % USERS;
    let of_user = mix(user, 2);
    Visitor {
        session_id: uuid_like(person, mix(person, 3)),
        user_id: (of_user % 5 < 3).then(|| format!("user-{user:05}")),
        address: format!("198.51.{}.{}", of_user >> 8 & 0x7f, of_user >> 16 & 0xff),
        user_agent: AGENTS[(of_user >> 32) as usize % AGENTS.len()],
    }
}

pub(super) fn bot() -> Visitor {
    Visitor {
        session_id: uuid_like(mix(7, 7), mix(7, 8)),
        user_id: None,
        address: "203.0.113.99".to_owned(),
        user_agent: trouble::BOT,
    }
}

impl Visitor {
    /// What the pages say of who asks.
    pub(super) fn introduce(&self, t: &mut Trace) {
        t.set("client.address", &self.address);
        t.set("user_agent.original", self.user_agent);
        t.set("session.id", &self.session_id);
        if let Some(user_id) = &self.user_id {
            t.set("user.id", user_id);
        }
    }

    /// By what the cart is kept.
    pub(super) fn cart_key(&self) -> &str {
        self.user_id.as_deref().unwrap_or(&self.session_id)
    }
}

impl Product {
    /// Some are asked for far more than others.
    pub(super) fn any(t: &mut Trace) -> Self {
        let (a, b) = (t.number(PRODUCTS), t.number(PRODUCTS));
        Self { number: a * b / PRODUCTS }
    }

    pub(super) fn sku(self) -> String {
        format!("SKU-{:04}", self.number)
    }

    pub(super) fn price_eur(self) -> f64 {
        4.9 + (mix(self.number, 5) % 120) as f64
    }
}
