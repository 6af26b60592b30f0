//! Replaces the system's random numbers with numbers from a seed. They seed hash maps, and so decide the order in
//! which tokio and other crates handle events that are ready at the same time.

use std::cell::RefCell;
use std::ffi::{c_uint, c_void};
use std::thread;

use crate::chance::Chance;

thread_local! {
    static SOURCE: RefCell<Option<Chance>> = const { RefCell::new(None) };
}

/// Does something on a thread of its own, on which the seed decides all that is drawn.
pub(crate) fn drawn_from<T: Send>(seed: u64, act: impl FnOnce() -> T + Send) -> T {
    let on_its_own = || {
        SOURCE.set(Some(Chance::of(seed, "entropy")));
        act()
    };
    thread::scope(|scope| scope.spawn(on_its_own).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes the place of the C library's, which the standard library calls. Threads without a seed, of the test runner, get
/// what is the same each time, too: nothing here is a secret.
// SAFETY: it is what the function of this name is said to be, and nobody else here has one of this name.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "see tests/tidy.rs")]
unsafe extern "C" fn getrandom(bytes: *mut c_void, count: usize, _flags: c_uint) -> isize {
    // SAFETY: the caller promises that this many bytes may be written there.
    let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), count) };
    let drawn = SOURCE.try_with(|source| {
        let mut source = source.borrow_mut();
        let chance = source.get_or_insert_with(|| Chance::of(0, "entropy"));
        bytes.fill_with(|| chance.next() as u8);
    });
    // A thread that is ending no longer has one.
    drawn.map_or(-1, |()| count as isize)
}
