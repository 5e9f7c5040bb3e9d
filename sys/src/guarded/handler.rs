//! The copy as one instruction, and the handler that steps behind it.
//!
//! `rep movsb` keeps its state in registers, so after a fault in the middle they say how far it came. The handler acts
//! only if the interrupted instruction is exactly that one and the signal was raised by an access (not sent by somebody);
//! it puts the faulting address into a register and moves on to the instruction behind. Every other signal goes where it
//! would have gone without us: to the handler that was there before, or to the default action. A handler that the program installs
//! later is first, until ours is put before it.

use std::sync::OnceLock;

use super::MemoryFault;
use crate::error::{SysError, last_errno};

// extern "C" { remaining: rax, fault: rdx } mach_guarded_copy(target: rdi, source: rsi, len: rdx)
std::arch::global_asm!(
    ".pushsection .text.mach_guarded_copy,\"ax\",@progbits",
    ".hidden mach_guarded_copy",
    ".hidden mach_guarded_copy_at",
    ".hidden mach_guarded_copy_behind",
    ".globl mach_guarded_copy",
    ".globl mach_guarded_copy_at",
    ".globl mach_guarded_copy_behind",
    ".type mach_guarded_copy,@function",
    ".p2align 4",
    "mach_guarded_copy:",
    "mov rcx, rdx",
    "xor edx, edx",
    "mach_guarded_copy_at:",
    "rep movsb",
    "mach_guarded_copy_behind:",
    "mov rax, rcx",
    "ret",
    ".size mach_guarded_copy, . - mach_guarded_copy",
    ".popsection",
);

/// Two registers: rax and rdx.
#[repr(C)]
struct Outcome {
    remaining: usize,
    fault_address: usize,
}

unsafe extern "C" {
    fn mach_guarded_copy(target: *mut u8, source: *const u8, len: usize) -> Outcome;
    static mach_guarded_copy_at: u8;
    static mach_guarded_copy_behind: u8;
}

/// Places in the kernel's `struct sigcontext`, which is where `mcontext_t` begins with every C library.
const RDX: usize = 12;
const RIP: usize = 16;

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// What was there before, for each of our handlers; each has a place of its own, so that a handler of the program's that came
/// later, and passes on to ours, does not meet itself again.
type Before = [OnceLock<libc::sigaction>; PLACES];

static BEFORE_SEGV: Before = [const { OnceLock::new() }; PLACES];
static BEFORE_BUS: Before = [const { OnceLock::new() }; PLACES];
static INSTALLED: OnceLock<Result<(), SysError>> = OnceLock::new();

const OURS: [Handler; PLACES] = [
    on_signal::<0>,
    on_signal::<1>,
    on_signal::<2>,
    on_signal::<3>,
    on_signal::<4>,
    on_signal::<5>,
    on_signal::<6>,
    on_signal::<7>,
];
/// Different handlers that a program may install for one signal before the last one stays first.
const PLACES: usize = 8;

pub(super) fn install() -> Result<(), SysError> {
    INSTALLED.get_or_init(stand_first).clone()
}

/// Puts our handlers before those that stand there now, unless they are first.
pub(super) fn stand_first() -> Result<(), SysError> {
    stand_before(libc::SIGSEGV, &BEFORE_SEGV)?;
    stand_before(libc::SIGBUS, &BEFORE_BUS)
}

fn stand_before(signal: libc::c_int, before: &Before) -> Result<(), SysError> {
    let mut found = action(signal, None)?;
    for _ in 0..PLACES {
        // What stands there is stored before ours is installed, so that ours finds it at once.
        let Some(place) = (!is_ours(&found)).then(|| place_behind(&found, before)).flatten() else { break };
        // With the context; on the thread's alternate stack if it has one (an overflow of the other stack must still reach the
        // handler that was there before); and more than once.
        let mut ours = found;
        ours.sa_sigaction = OURS[place] as usize;
        ours.sa_flags = found.sa_flags & !libc::SA_RESETHAND | libc::SA_SIGINFO | libc::SA_ONSTACK;
        let replaced = action(signal, Some(&ours))?;
        if is_same(&replaced, &found) {
            break;
        }
        // The program was quicker with another one.
        found = replaced;
    }
    Ok(())
}

/// The place of ours behind which a handler comes, if there is one left.
fn place_behind(found: &libc::sigaction, before: &Before) -> Option<usize> {
    before.iter().position(|place| is_same(place.get_or_init(|| *found), found))
}

fn is_ours(found: &libc::sigaction) -> bool {
    OURS.iter().any(|ours| *ours as usize == found.sa_sigaction)
}

/// Whether both are called in the same way.
fn is_same(one: &libc::sigaction, other: &libc::sigaction) -> bool {
    const CALL: libc::c_int = libc::SA_SIGINFO | libc::SA_RESETHAND;
    one.sa_sigaction == other.sa_sigaction && one.sa_flags & CALL == other.sa_flags & CALL
}

/// # Safety
///
/// As [`super::copy`].
pub(super) unsafe fn copy(target: *mut u8, source: *const u8, len: usize) -> Result<(), MemoryFault> {
    // Without handlers a fault ends the process, as it would for any other program.
    let _ = install();
    // SAFETY: the function has the C calling convention and touches nothing but the two ranges, for which the caller
    // vouches as far as they are Rust's.
    let outcome = unsafe { mach_guarded_copy(target, source, len) };
    if outcome.remaining == 0 {
        return Ok(());
    }
    let copied = len - outcome.remaining;
    let fault = outcome.fault_address;
    let within = |start: usize| fault.wrapping_sub(start) < len;
    // A refused non-canonical address is reported as 0: then the place is where the copy stopped, and of the two sides
    // it is the one that a processor can refuse so.
    let address = match fault {
        at if within(source as usize) || within(target as usize) => at,
        _ if is_canonical(source as usize + copied) => target as usize + copied,
        _ => source as usize + copied,
    };
    Err(MemoryFault { address: address as u64, copied })
}

fn is_canonical(address: usize) -> bool {
    (address as i64) << 8 >> 8 == address as i64
}

/// Async-signal-safe: it reads two statics, writes two registers, and passes on.
extern "C" fn on_signal<const PLACE: usize>(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler, which nobody else sees.
    let told = unsafe { &*info };
    // SAFETY: the third argument of such a handler is a `ucontext_t` of its own, on the thread's stack.
    let saved = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let words = (&raw mut saved.uc_mcontext).cast::<[u64; 23]>();
    // SAFETY: `mcontext_t` begins with the 23 words that the kernel saved.
    let registers = unsafe { &mut *words };
    let from_access = told.si_code > 0;
    if from_access && registers[RIP] == &raw const mach_guarded_copy_at as u64 {
        // The code behind the copy expects the address in RDX; RCX is as the copy left it.
        // SAFETY: for these signals, raised by an access, `si_addr` is set.
        registers[RDX] = unsafe { told.si_addr() } as u64;
        registers[RIP] = &raw const mach_guarded_copy_behind as u64;
        return;
    }
    let before = if signal == libc::SIGBUS { &BEFORE_BUS } else { &BEFORE_SEGV };
    pass_on(before[PLACE].get(), signal, info, context, from_access);
}

fn pass_on(
    before: Option<&libc::sigaction>,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    from_access: bool,
) {
    match before {
        Some(p) if p.sa_sigaction != libc::SIG_DFL && p.sa_sigaction != libc::SIG_IGN => {
            if p.sa_flags & libc::SA_RESETHAND != 0 {
                // SAFETY: signal(2) is async-signal-safe and the arguments are constants of it.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            if p.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: it was installed as a handler of this type, and gets what the kernel gave us.
                let handler: Handler = unsafe { std::mem::transmute(p.sa_sigaction) };
                handler(signal, info, context);
            } else {
                // SAFETY: as above, of the older type.
                let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(p.sa_sigaction) };
                handler(signal);
            }
        }
        // Ignored, and sent by somebody: nothing happens. Raised by an access it kills in spite of being ignored.
        Some(p) if p.sa_sigaction == libc::SIG_IGN && !from_access => {}
        _ => {
            // SAFETY: signal(2) is async-signal-safe and the arguments are constants of it.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            if !from_access {
                // Nobody repeats a signal that was sent; it is blocked until this handler returns.
                // SAFETY: raise(3) is async-signal-safe.
                unsafe { libc::raise(signal) };
            }
            // Else the access is repeated on return and takes the default action, with the right address in the dump.
        }
    }
}

fn action(signal: libc::c_int, new: Option<&libc::sigaction>) -> Result<libc::sigaction, SysError> {
    let mut old = std::mem::MaybeUninit::uninit();
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or points to an action; `old` is valid for writes.
    match unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) } {
        // SAFETY: the call succeeded, so it wrote the old action.
        0 => Ok(unsafe { old.assume_init() }),
        _ => Err(SysError::new("sigaction(2)", last_errno(), format!("signal {signal}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs one of the tests below again in a process of its own, where it may die.
    fn in_child(test: &str) -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("guarded::handler::tests::{test}"), "--nocapture"]);
        command.env("MACH_TEST_CHILD", "1").output().unwrap().status
    }

    fn is_child() -> bool {
        std::env::var_os("MACH_TEST_CHILD").is_some()
    }

    #[test]
    fn a_fault_elsewhere_still_kills() {
        if is_child() {
            install().unwrap();
            // SAFETY: it is not, on purpose: the address is never mapped and the process dies of it.
            unsafe { std::ptr::read_volatile(std::hint::black_box(16 as *const u8)) };
            std::process::exit(0);
        }
        assert_eq!(in_child("a_fault_elsewhere_still_kills").signal(), Some(libc::SIGSEGV));
    }

    #[test]
    fn a_signal_that_is_sent_still_kills() {
        if is_child() {
            // Rust's own handler, which stands there at first, takes every SIGBUS for one that will be repeated.
            // SAFETY: the default action is a valid one.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
            install().unwrap();
            // SAFETY: raising a signal has no precondition.
            unsafe { libc::raise(libc::SIGBUS) };
            std::process::exit(0);
        }
        assert_eq!(in_child("a_signal_that_is_sent_still_kills").signal(), Some(libc::SIGBUS));
    }

    #[test]
    fn the_handler_that_was_there_before_is_called() {
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn before(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
            // SAFETY: valid, as the kernel made it.
            let told = unsafe { &*info };
            // SAFETY: set for a SIGSEGV by an access.
            SEEN.store(unsafe { told.si_addr() } as usize, Ordering::Relaxed);
            // SAFETY: _exit(2) is async-signal-safe.
            unsafe { libc::_exit(if SEEN.load(Ordering::Relaxed) == 16 { 42 } else { 43 }) };
        }
        if is_child() {
            let mut theirs = action(libc::SIGSEGV, None).unwrap();
            theirs.sa_sigaction = before as *const () as usize;
            theirs.sa_flags = libc::SA_SIGINFO;
            action(libc::SIGSEGV, Some(&theirs)).unwrap();
            // Ours works beside it,
            let mut byte = [0u8];
            // SAFETY: the target is valid, and the source is guarded.
            let fault = unsafe { copy(byte.as_mut_ptr(), 32 as *const u8, 1) }.unwrap_err();
            assert_eq!(fault, MemoryFault { address: 32, copied: 0 });
            // and theirs gets the rest.
            // SAFETY: it is not, on purpose, as above.
            unsafe { std::ptr::read_volatile(std::hint::black_box(16 as *const u8)) };
            std::process::exit(0);
        }
        assert_eq!(in_child("the_handler_that_was_there_before_is_called").code(), Some(42));
    }

    /// Installs a handler for SIGSEGV; what it replaces.
    fn install_theirs(handler: Handler) -> libc::sigaction {
        let mut theirs = action(libc::SIGSEGV, None).unwrap();
        theirs.sa_sigaction = handler as usize;
        theirs.sa_flags = libc::SA_SIGINFO;
        action(libc::SIGSEGV, Some(&theirs)).unwrap()
    }

    fn is_refused() -> bool {
        // SAFETY: the target is valid, and the source is guarded.
        unsafe { copy([0u8].as_mut_ptr(), 32 as *const u8, 1) }.is_err()
    }

    /// It comes behind ours, and may itself pass on to ours, which was there before.
    #[test]
    fn a_handler_that_came_later_gets_what_is_not_ours() {
        static REPLACED: AtomicUsize = AtomicUsize::new(0);
        static FIRST_SEEN: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn first(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
            // SAFETY: _exit(2) is async-signal-safe.
            unsafe { libc::_exit(40 + FIRST_SEEN.load(Ordering::Relaxed) as libc::c_int) };
        }
        extern "C" fn passes_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
            FIRST_SEEN.fetch_add(1, Ordering::Relaxed);
            // SAFETY: it is one of ours, by its place among them.
            OURS[REPLACED.load(Ordering::Relaxed)](signal, info, context);
        }
        if is_child() {
            install_theirs(first);
            install().unwrap();
            let replaced = install_theirs(passes_on).sa_sigaction;
            REPLACED.store(OURS.iter().position(|ours| *ours as usize == replaced).unwrap(), Ordering::Relaxed);
            // Whether one place for it is found again, and again.
            (0..2 * PLACES).for_each(|_| {
                stand_first().unwrap();
                install_theirs(passes_on);
            });
            stand_first().unwrap();
            assert!(is_refused() && FIRST_SEEN.load(Ordering::Relaxed) == 0);
            // SAFETY: it is not, on purpose, as above.
            unsafe { std::ptr::read_volatile(std::hint::black_box(16 as *const u8)) };
            std::process::exit(0);
        }
        assert_eq!(in_child("a_handler_that_came_later_gets_what_is_not_ours").code(), Some(41));
    }

    #[test]
    fn a_handler_for_once_is_called_once() {
        extern "C" fn once(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
        if is_child() {
            install().unwrap();
            let mut theirs = action(libc::SIGSEGV, None).unwrap();
            theirs.sa_sigaction = once as *const () as usize;
            theirs.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
            action(libc::SIGSEGV, Some(&theirs)).unwrap();
            stand_first().unwrap();
            assert!(is_refused() && is_refused());
            // It is repeated when the handler has returned.
            // SAFETY: it is not, on purpose, as above.
            unsafe { std::ptr::read_volatile(std::hint::black_box(16 as *const u8)) };
            std::process::exit(0);
        }
        assert_eq!(in_child("a_handler_for_once_is_called_once").signal(), Some(libc::SIGSEGV));
    }

    #[test]
    fn addresses_that_no_page_table_can_have_are_reported() {
        let mut buffer = [0u8; 8];
        let bad = 0x8000_0000_0000_0000usize;
        // SAFETY: one side is valid, the other guarded.
        let fault = unsafe { copy(buffer.as_mut_ptr(), bad as *const u8, 8) }.unwrap_err();
        assert_eq!(fault, MemoryFault { address: bad as u64, copied: 0 });
        // SAFETY: as above.
        let fault = unsafe { copy(bad as *mut u8, buffer.as_ptr(), 8) }.unwrap_err();
        assert_eq!(fault, MemoryFault { address: bad as u64, copied: 0 });
    }

    #[test]
    fn threads_fault_independently() {
        let threads: Vec<_> = (0..8)
            .map(|t| {
                std::thread::spawn(move || {
                    for i in 0..2000u64 {
                        let (address, mut byte) = (64 + t * 8 + i % 8, [0u8]);
                        // SAFETY: the target is valid, the source guarded.
                        let fault = unsafe { copy(byte.as_mut_ptr(), address as *const u8, 1) }.unwrap_err();
                        assert_eq!(fault.address, address);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn a_truncated_file_is_a_fault_at_its_end() {
        use proto::{PAGE_SIZE, Prot};
        use std::os::fd::AsFd;
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * PAGE_SIZE).unwrap();
        let arena = crate::Arena::reserve(&[1 << 20]).unwrap();
        let backing = crate::Backing::Shared(file.as_fd(), 0);
        arena.map(arena.start(), 2 * PAGE_SIZE, backing, Prot::READ | Prot::WRITE).unwrap();
        arena.write(arena.start(), b"kept").unwrap();
        file.set_len(PAGE_SIZE).unwrap();
        let mut buffer = vec![0; 2 * PAGE_SIZE as usize];
        let fault = arena.read(arena.start(), &mut buffer).unwrap_err();
        assert_eq!(fault, MemoryFault { address: arena.start() + PAGE_SIZE, copied: PAGE_SIZE as usize });
        assert_eq!(&buffer[..4], b"kept");
    }
}
