//! A library that is loaded before the C library, stands between a program and its file system, and lets one operation go wrong: the
//! `FAULT_AT`-th of those on files below the folder `FAULT_UNDER`, from 1, in the way that `FAULT_KIND` says. Each operation is a line of
//! the file `FAULT_LOG`. `each_fault.rs` builds it with `rustc` and runs trainings under it.
//!
//! It does what it does by system calls, so that nothing in it comes back to itself.

#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn getenv(name: *const c_char) -> *const c_char;
    fn __errno_location() -> *mut c_int;
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
mod call {
    pub const READ: i64 = 0; pub const WRITE: i64 = 1; pub const PREAD: i64 = 17; pub const PWRITE: i64 = 18; pub const NANOSLEEP: i64 = 35;
    pub const FLOCK: i64 = 73; pub const FSYNC: i64 = 74; pub const FDATASYNC: i64 = 75; pub const FTRUNCATE: i64 = 77; pub const FCHMOD: i64 = 91;
    pub const OPENAT: i64 = 257; pub const MKDIRAT: i64 = 258; pub const UNLINKAT: i64 = 263; pub const LINKAT: i64 = 265;
    pub const READLINKAT: i64 = 267; pub const RENAMEAT2: i64 = 316; pub const STATX: i64 = 332;
}
#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
mod call {
    pub const READ: i64 = 63; pub const WRITE: i64 = 64; pub const PREAD: i64 = 67; pub const PWRITE: i64 = 68; pub const NANOSLEEP: i64 = 101;
    pub const FLOCK: i64 = 32; pub const FSYNC: i64 = 82; pub const FDATASYNC: i64 = 83; pub const FTRUNCATE: i64 = 46; pub const FCHMOD: i64 = 52;
    pub const OPENAT: i64 = 56; pub const MKDIRAT: i64 = 34; pub const UNLINKAT: i64 = 35; pub const LINKAT: i64 = 37;
    pub const READLINKAT: i64 = 78; pub const RENAMEAT2: i64 = 276; pub const STATX: i64 = 291;
}

/// The working directory, instead of an open folder.
const HERE: c_int = -100;
const EIO: c_int = 5;
const ENOSPC: c_int = 28;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// EIO.
    Error,
    /// ENOSPC, where something would be written.
    Full,
    /// Half of what was to be read or written.
    Short,
    /// It takes a while.
    Delay,
}

struct Plan {
    under: &'static [u8],
    at: usize,
    kind: Kind,
    log: c_int,
}

static PLAN: OnceLock<Plan> = OnceLock::new();
static DONE: AtomicUsize = AtomicUsize::new(0);

fn variable(name: &CStr) -> &'static [u8] {
    // Safety: the environment is not changed while the program runs.
    unsafe {
        let value = getenv(name.as_ptr());
        if value.is_null() { &[] } else { CStr::from_ptr(value).to_bytes() }
    }
}

fn plan() -> &'static Plan {
    PLAN.get_or_init(|| {
        let at = variable(c"FAULT_AT");
        let log = variable(c"FAULT_LOG");
        // Write only, create, append.
        let flags: c_int = 0o1 | 0o100 | 0o2000;
        Plan {
            under: variable(c"FAULT_UNDER"),
            at: std::str::from_utf8(at).ok().and_then(|at| at.parse().ok()).unwrap_or(0),
            kind: match variable(c"FAULT_KIND") {
                b"full" => Kind::Full,
                b"short" => Kind::Short,
                b"delay" => Kind::Delay,
                _ => Kind::Error,
            },
            // Safety: the value ends with a zero, as variables do.
            log: match log.is_empty() {
                true => -1,
                false => unsafe { syscall(call::OPENAT, HERE, log.as_ptr(), flags, 0o644) as c_int },
            },
        }
    })
}

/// A path in place.
struct Path {
    bytes: [u8; 4096],
    length: usize,
}

impl Path {
    /// What the link at this path, which ends with a zero, leads to.
    fn of_link(link: &[u8]) -> Path {
        let mut path = Path { bytes: [0; 4096], length: 0 };
        // Safety: the buffer is as long as is said.
        let length = unsafe { syscall(call::READLINKAT, HERE, link.as_ptr(), path.bytes.as_mut_ptr(), 4096_usize) };
        path.length = usize::try_from(length).unwrap_or(0);
        path
    }

    /// Of an open file or folder, or the working directory.
    fn of(descriptor: c_int) -> Path {
        if descriptor == HERE {
            return Path::of_link(b"/proc/self/cwd\0");
        }
        let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
        let mut digits = [0; 10];
        let (mut rest, mut count) = (descriptor.unsigned_abs(), 0);
        loop {
            digits[count] = b'0' + (rest % 10) as u8;
            (rest, count) = (rest / 10, count + 1);
            if rest == 0 {
                break;
            }
        }
        for at in 0..count {
            link[14 + at] = digits[count - 1 - at];
        }
        Path::of_link(&link)
    }

    /// Of a name in an open folder.
    unsafe fn at(folder: c_int, name: *const c_char) -> Path {
        // Without a name the standard library asks whether there is such a call.
        let name = match name.is_null() {
            true => &[],
            // Safety: the caller has it from its own caller.
            false => unsafe { CStr::from_ptr(name) }.to_bytes(),
        };
        if name.is_empty() {
            return Path::of(folder);
        }
        let mut path = match name.starts_with(b"/") {
            true => Path { bytes: [0; 4096], length: 0 },
            false => Path::of(folder),
        };
        if path.length > 0 {
            path.add(b"/");
        }
        path.add(name);
        path
    }

    fn add(&mut self, part: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let count = part.len().min(room.len());
        room[..count].copy_from_slice(&part[..count]);
        self.length += count;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What is to become of an operation.
enum Fate {
    Goes,
    Fails(c_int),
    IsHalved,
}

fn fate(name: &str, path: &Path, writes: bool, can_halve: bool) -> Fate {
    let plan = plan();
    if plan.under.is_empty() || !path.bytes().starts_with(plan.under) {
        return Fate::Goes;
    }
    let number = DONE.fetch_add(1, Ordering::SeqCst) + 1;
    if plan.log >= 0 {
        let mut line = Path { bytes: [0; 4096], length: 0 };
        line.add(name.as_bytes());
        line.add(b" ");
        line.add(&path.bytes()[plan.under.len()..]);
        line.add(b"\n");
        // Safety: the line is as long as is said.
        unsafe { syscall(call::WRITE, plan.log, line.bytes.as_ptr(), line.length) };
    }
    if number != plan.at {
        return Fate::Goes;
    }
    match plan.kind {
        Kind::Error => Fate::Fails(EIO),
        Kind::Full if writes => Fate::Fails(ENOSPC),
        Kind::Short if can_halve => Fate::IsHalved,
        Kind::Delay => {
            let time: [i64; 2] = [0, 20_000_000];
            // Safety: a time, and no place for what is left of it.
            unsafe { syscall(call::NANOSLEEP, time.as_ptr(), std::ptr::null::<i64>()) };
            Fate::Goes
        }
        Kind::Full | Kind::Short => Fate::Goes,
    }
}

fn failed(error: c_int) -> c_long {
    // Safety: the thread's own.
    unsafe { *__errno_location() = error };
    -1
}

/// A function of the C library on an open file.
macro_rules! on_file {
    ($($name:ident ($file:ident $(, $argument:ident: $type:ty)*) = $call:ident, writes $writes:literal;)*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($file: c_int $(, $argument: $type)*) -> c_int {
            match fate(stringify!($name), &Path::of($file), $writes, false) {
                Fate::Fails(error) => failed(error) as c_int,
                // Safety: as the caller has it.
                Fate::Goes | Fate::IsHalved => unsafe { syscall(call::$call, $file $(, $argument)*) as c_int },
            }
        }
    )* };
}

on_file! {
    fsync(file) = FSYNC, writes true;
    fdatasync(file) = FDATASYNC, writes true;
    ftruncate(file, length: i64) = FTRUNCATE, writes true;
    ftruncate64(file, length: i64) = FTRUNCATE, writes true;
    fchmod(file, mode: c_uint) = FCHMOD, writes false;
    flock(file, how: c_int) = FLOCK, writes false;
}

/// A function that reads or writes some bytes, which may be fewer than were asked for.
macro_rules! on_bytes {
    ($($name:ident ($($offset:ident)?) = $call:ident, writes $writes:literal;)*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(file: c_int, bytes: *mut c_void, count: usize $(, $offset: i64)?) -> isize {
            let count = match fate(stringify!($name), &Path::of(file), $writes, count > 1) {
                Fate::Fails(error) => return failed(error) as isize,
                Fate::IsHalved => count / 2,
                Fate::Goes => count,
            };
            // Safety: as the caller has it, or half of it.
            unsafe { syscall(call::$call, file, bytes, count $(, $offset)?) as isize }
        }
    )* };
}

on_bytes! {
    read() = READ, writes false;
    write() = WRITE, writes true;
    pread(offset) = PREAD, writes false;
    pread64(offset) = PREAD, writes false;
    pwrite(offset) = PWRITE, writes true;
    pwrite64(offset) = PWRITE, writes true;
}

/// A function on a name.
macro_rules! on_name {
    ($($name:ident ($($argument:ident: $type:ty),*) in $folder:expr, $path:ident = $call:ident($($passed:expr),*), writes $writes:literal;)*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            // Safety: as the caller has it.
            let path = unsafe { Path::at($folder, $path) };
            match fate(stringify!($name), &path, $writes, false) {
                Fate::Fails(error) => failed(error) as c_int,
                // Safety: as the caller has it.
                Fate::Goes | Fate::IsHalved => unsafe { syscall(call::$call, $($passed),*) as c_int },
            }
        }
    )* };
}

on_name! {
    open(path: *const c_char, flags: c_int, mode: c_uint) in HERE, path = OPENAT(HERE, path, flags, mode), writes false;
    open64(path: *const c_char, flags: c_int, mode: c_uint) in HERE, path = OPENAT(HERE, path, flags, mode), writes false;
    openat(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) in folder, path = OPENAT(folder, path, flags, mode), writes false;
    openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) in folder, path = OPENAT(folder, path, flags, mode), writes false;
    mkdir(path: *const c_char, mode: c_uint) in HERE, path = MKDIRAT(HERE, path, mode), writes true;
    mkdirat(folder: c_int, path: *const c_char, mode: c_uint) in folder, path = MKDIRAT(folder, path, mode), writes true;
    unlink(path: *const c_char) in HERE, path = UNLINKAT(HERE, path, 0), writes false;
    unlinkat(folder: c_int, path: *const c_char, flags: c_int) in folder, path = UNLINKAT(folder, path, flags), writes false;
    rename(from: *const c_char, to: *const c_char) in HERE, to = RENAMEAT2(HERE, from, HERE, to, 0), writes true;
    renameat(a: c_int, from: *const c_char, b: c_int, to: *const c_char) in b, to = RENAMEAT2(a, from, b, to, 0), writes true;
    linkat(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_int) in b, to = LINKAT(a, from, b, to, flags), writes true;
    statx(folder: c_int, path: *const c_char, flags: c_int, mask: c_uint, found: *mut c_void) in folder, path = STATX(folder, path, flags, mask, found), writes false;
}
