//! Memory to allocate from: a block in the program's own image, which costs no system call, and whole
//! mappings for what is large or does not fit any more. Little is ever given back: the program lives for a
//! fraction of a millisecond.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Holds what a usual start needs several times over. Pages that are not touched cost nothing.
const BLOCK: usize = 256 * 1024;

/// From this size on an allocation is a mapping of its own, and given back.
const LARGE: usize = 64 * 1024;

#[repr(align(16))]
struct Block(UnsafeCell<[u8; BLOCK]>);

/// Where the next allocation begins, and where the block ends.
struct Arena {
    block: Block,
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: this program has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena =
    Arena { block: Block(UnsafeCell::new([0; BLOCK])), next: Cell::new(0), end: Cell::new(0) };

impl Arena {
    /// `size` bytes at the next free address of this alignment, if the block holds them.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let first = self.next.get().checked_next_multiple_of(layout.align())?;
        let next = first.checked_add(layout.size())?;
        if next > self.end.get() {
            return None;
        }
        self.next.set(next);
        Some(ptr::with_exposed_provenance_mut(first))
    }

    fn refill(&self) -> bool {
        let (start, length) = if self.end.get() == 0 {
            (self.block.0.get().cast::<u8>(), BLOCK)
        } else {
            let block = map(BLOCK);
            if block.is_null() {
                return false;
            }
            (block, BLOCK)
        };
        let start = start.expose_provenance();
        self.next.set(start);
        self.end.set(start + length);
        true
    }
}

fn map(size: usize) -> *mut u8 {
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let mapped = unsafe {
        mmap_anonymous(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
    };
    mapped.map_or(ptr::null_mut(), |address| address.cast())
}

// SAFETY: every block is handed out once, aligned as asked for and large enough.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            // Pages are aligned for everything that this program has.
            return if layout.align() <= 4096 { map(layout.size()) } else { ptr::null_mut() };
        }
        if let Some(block) = self.take(layout) {
            return block;
        }
        if self.refill() { self.take(layout).unwrap_or(ptr::null_mut()) } else { ptr::null_mut() }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < LARGE && size < LARGE {
            if size <= layout.size() {
                return block;
            }
            // The last one grows where it is.
            if block.addr() + layout.size() == self.next.get() && block.addr() + size <= self.end.get() {
                self.next.set(block.addr() + size);
                return block;
            }
        }
        // SAFETY: the caller's layout with another size, as `GlobalAlloc` asks for.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() >= LARGE {
            // SAFETY: a mapping of its own, see `alloc`.
            let _ = unsafe { munmap(block.cast(), layout.size()) };
        } else if block.addr() + layout.size() == self.next.get() {
            // The last one is taken back: buffers that live one after the other share their place.
            self.next.set(block.addr());
        }
    }
}
