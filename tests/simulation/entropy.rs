//! Replaces the system's random numbers with numbers from a seed. They seed hash maps, and so decide the order in
//! which tokio and other crates handle events that are ready at the same time.

use std::cell::RefCell;
use std::ffi::{c_uint, c_void};
use std::thread;

use crate::chance::Chance;

thread_local! {
    static SOURCE: RefCell<Option<Chance>> = const { RefCell::new(None) };
}

/// Runs a closure on its own thread, where the seed determines all random bytes.
pub(crate) fn drawn_from<T: Send>(seed: u64, act: impl FnOnce() -> T + Send) -> T {
    let on_its_own = || {
        SOURCE.set(Some(Chance::of(seed, "entropy")));
        act()
    };
    thread::scope(|scope| scope.spawn(on_its_own).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Replaces the C library's function, which the standard library and the crate `getrandom` call. Threads without a
/// seed, such as those of the test runner, also get the same bytes each time: nothing here is secret.
// SAFETY: it does what the documentation of this function says, and no other function here has this name.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "see tests/tidy.rs")]
unsafe extern "C" fn getrandom(bytes: *mut c_void, count: usize, _flags: c_uint) -> isize {
    // SAFETY: the caller promises that this many bytes may be written here.
    let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), count) };
    let drawn = SOURCE.try_with(|source| {
        let mut source = source.borrow_mut();
        let chance = source.get_or_insert_with(|| Chance::of(0, "entropy"));
        bytes.fill_with(|| chance.next() as u8);
    });
    // A thread that is ending no longer has a source.
    drawn.map_or(-1, |()| count as isize)
}
