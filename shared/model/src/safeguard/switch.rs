//! The switch: whether a safeguard holds on this thread.
//!
//! A simulation runs a whole world on one thread, so a thread-local switch touches nothing else: tests side by side do not
//! disturb each other, and neither an environment variable nor an option of the binary can reach it. Work that goes to
//! another thread takes the switches along by [`carried`].

use super::Safeguard;

/// True unless a test has switched the safeguard off on this thread.
#[cfg(debug_assertions)]
pub fn holds(safeguard: Safeguard) -> bool {
    OFF.get() & bit(safeguard) == 0
}

/// True: a build without debug assertions has no switch.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn holds(_: Safeguard) -> bool {
    true
}

/// Proved when such a build is compiled: the answer is a constant.
#[cfg(not(debug_assertions))]
const _: () = {
    let mut at = 0;
    while at < Safeguard::ALL.len() {
        assert!(holds(Safeguard::ALL[at]));
        at += 1;
    }
};

/// Work for another thread, where the switches of this one hold too.
#[cfg(debug_assertions)]
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let off = OFF.get();
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        let _without = Without::exactly(off);
        work.as_mut().poll(context)
    })
}

/// The work itself: there is nothing to carry.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn carried<F: Future>(work: F) -> F {
    work
}

#[cfg(debug_assertions)]
thread_local! {
    /// One bit per safeguard that is off.
    static OFF: std::cell::Cell<u128> = const { std::cell::Cell::new(0) };
}

#[cfg(debug_assertions)]
const _: () = assert!(Safeguard::ALL.len() <= u128::BITS as usize, "a bit for each");

#[cfg(debug_assertions)]
fn bit(safeguard: Safeguard) -> u128 {
    1 << safeguard as u32
}

/// Switches safeguards off on this thread until dropped. Guards may nest; each restores what it found.
#[cfg(debug_assertions)]
#[must_use = "dropped, it restores what it found"]
#[derive(Debug)]
pub struct Without {
    before: u128,
    /// It must be dropped where it was made.
    _here: std::marker::PhantomData<*const ()>,
}

#[cfg(debug_assertions)]
impl Without {
    /// These are off too from now on.
    pub fn these(safeguards: &[Safeguard]) -> Self {
        Self::exactly(safeguards.iter().fold(OFF.get(), |off, safeguard| off | bit(*safeguard)))
    }

    fn exactly(off: u128) -> Self {
        Self { before: OFF.replace(off), _here: std::marker::PhantomData }
    }
}

#[cfg(debug_assertions)]
impl Drop for Without {
    fn drop(&mut self) {
        OFF.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_safeguard_has_a_plain_name_of_its_own() {
        let names: HashSet<&str> = Safeguard::ALL.iter().map(|safeguard| safeguard.name()).collect();
        assert_eq!(names.len(), Safeguard::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }

    #[test]
    fn without_a_test_that_asks_every_safeguard_holds() {
        for safeguard in Safeguard::ALL {
            assert!(holds(*safeguard), "{}", safeguard.name());
        }
    }

    #[cfg(debug_assertions)]
    mod switched {
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        use super::*;
        use Safeguard::{MarkRaised, SeenCondition};

        #[test]
        fn each_is_switched_off_alone_and_comes_back() {
            for off in Safeguard::ALL {
                let without = Without::these(&[*off]);
                for other in Safeguard::ALL {
                    assert_eq!(holds(*other), other != off, "{} without {}", other.name(), off.name());
                }
                drop(without);
                assert!(holds(*off), "{}", off.name());
            }
        }

        #[test]
        fn guards_nest_and_a_panic_restores() {
            let outer = Without::these(&[SeenCondition]);
            let died = std::panic::catch_unwind(|| {
                let _inner = Without::these(&[MarkRaised]);
                assert!(!holds(SeenCondition) && !holds(MarkRaised));
                panic!("on purpose");
            });
            assert!(died.is_err() && !holds(SeenCondition) && holds(MarkRaised));
            drop(outer);
            assert!(holds(SeenCondition));
        }

        #[test]
        fn another_thread_is_not_touched_but_by_carried_work() {
            let _without = Without::these(&[SeenCondition]);
            let work = carried(async { holds(SeenCondition) });
            let elsewhere = std::thread::spawn(|| {
                let before = holds(SeenCondition);
                let carried = pin!(work).poll(&mut Context::from_waker(Waker::noop()));
                (before, carried, holds(SeenCondition))
            });
            assert_eq!(elsewhere.join().expect("no panic"), (true, Poll::Ready(false), true));
        }
    }
}
