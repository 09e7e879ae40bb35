//! A generation: chunks that are given up together, by the thread that lets the last hold on them go.
//!
//! A hold is part of one word. The thread whose decrement makes the word zero pushes the generation on its
//! memory's *ready* stack: one compare-exchange, without a lock, an allocation or a free, so that it may happen
//! inside any thread's pin. The next thread that comes to the memory for a chunk takes it from there, under the
//! memory's lock, and its chunks are free. This file knows nothing of epochs.

use std::ptr::{NonNull, null_mut};

use super::list::{ChunkList, Range};
use super::scrub::Scrub;
use crate::memory::usage::Account;
use crate::sync::{Arc, AtomicPtr, AtomicU64, Mutex, Ordering, lock};

/// Chunks that are given up together when the last hold on them goes.
#[derive(Debug)]
pub struct Generation {
    /// Its chunks. Invariant: not given up while `holds` is not zero.
    pub chunks: ChunkList,
    /// The holds, as their owners count them. Zero is final: the decrement that makes it zero hands the
    /// reference that all holds share to the ready stack.
    holds: AtomicU64,
    /// The next on the stack, or on a list of the memory. Before it is on either, itself: the reference that all
    /// holds share. The last holder has only an address, and makes an [`Arc`] from this pointer again.
    next: AtomicPtr<Generation>,
    /// The account of the owner.
    pub account: Arc<Account>,
    /// The owner's name for it.
    pub name: u64,
    pub(crate) scrub: Scrub,
    /// The chunks that are out of use until the owner ends, and out of reach: its list is not to be walked then.
    confined: Mutex<Vec<Range>>,
    ready: Arc<Ready>,
}

/// The generations without holds, on their way to their memory.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The last one pushed; or null; or [`closed`], when the memory is gone.
    head: AtomicPtr<Generation>,
}

/// The head of a stack whose memory is gone: no thread takes from it any more. Never dereferenced.
fn closed() -> *mut Generation {
    NonNull::dangling().as_ptr()
}

impl Ready {
    pub fn new() -> Self {
        Self {
            head: AtomicPtr::new(null_mut()),
        }
    }

    /// Pushes the reference that the holds of a generation shared.
    ///
    /// # Safety
    ///
    /// `generation` came from `Arc::into_raw`, and the caller has that reference.
    unsafe fn push(generation: *const Generation) {
        // SAFETY: the caller's reference keeps it alive until the exchange below has put it on the stack; and
        // it keeps its stack alive.
        let pushed = unsafe { &*generation };
        let (this, next) = (&*pushed.ready, &pushed.next);
        // Relaxed: a guess, which the exchange confirms.
        let mut head = this.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // The memory is gone, and its chunks with it. This is the last that there is to do.
                // SAFETY: the caller's reference.
                drop(unsafe { Arc::from_raw(generation) });
                return;
            }
            // Relaxed: published by the exchange.
            next.store(head, Ordering::Relaxed);
            // Release on success: every access under the holds happens before the thread that takes the
            // generation off the stack goes on. Partner: the Acquire in `pop`. From here on
            // the generation may be gone, so nothing of it is read. Relaxed on failure: another guess.
            match this.head.compare_exchange_weak(
                head,
                generation.cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether there is nothing to pop; a hint.
    pub fn is_empty(&self) -> bool {
        // Relaxed: a hint; `pop` looks again.
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes the generation that was pushed last. Under the memory's lock, so that there is one taker at a
    /// time: the generations below the head stay below it while this looks.
    pub fn pop(&self) -> Option<Arc<Generation>> {
        // Acquire: pairs with the Release in `push`; every access under the holds happens before this.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head.is_null() || head == closed() {
                return None;
            }
            // SAFETY: on the stack, which has a reference to it; and only this takes it off.
            // Relaxed: stored before the Release by which it was pushed.
            let next = unsafe { (*head).next.load(Ordering::Relaxed) };
            // Relaxed on success: `head` was loaded by an Acquire. The generation below was pushed by a Release in
            // whose release sequence this exchange is. Acquire on failure: as above, for the new head.
            match self
                .head
                .compare_exchange_weak(head, next, Ordering::Relaxed, Ordering::Acquire)
            {
                // SAFETY: pushed as a raw reference, and off the stack now.
                Ok(_) => return Some(unsafe { Arc::from_raw(head) }),
                Err(now) => head = now,
            }
        }
    }

    /// Closes the stack if it is empty; says whether it did. A thread that pushes later drops the generation itself.
    pub fn close(&self) -> bool {
        // Relaxed, both: an empty stack has nothing to acquire, and nothing is published: a thread that finds it
        // closed drops its own reference.
        self.head
            .compare_exchange(null_mut(), closed(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

impl Generation {
    /// An empty generation, held as `holds` says, of which at least one is not zero.
    pub(crate) fn new(
        ready: Arc<Ready>,
        account: Arc<Account>,
        name: u64,
        holds: u64,
        scrub: Scrub,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            chunks: ChunkList::new(),
            holds: AtomicU64::new(holds),
            next: AtomicPtr::new(null_mut()),
            account,
            name,
            scrub,
            confined: Mutex::new(Vec::new()),
            ready,
        });
        // The reference that all holds share; `let_go` passes it on.
        let shared = Arc::into_raw(this.clone()).cast_mut();
        // Relaxed: no other thread has it yet.
        this.next.store(shared, Ordering::Relaxed);
        this
    }

    /// Adds to the holds.
    ///
    /// The caller sees to it that they are not zero, and do not become zero meanwhile.
    pub fn hold(&self, count: u64) {
        // Relaxed: taking part needs no order, as the chunks are held already; letting go has it.
        self.holds.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds to the holds, unless they are zero, which is final; says whether it did.
    pub fn try_hold(&self, count: u64) -> bool {
        // Relaxed: a guess, which the exchange confirms.
        let mut holds = self.holds.load(Ordering::Relaxed);
        while holds != 0 {
            // Relaxed, both: taking part needs no order, as in `hold`. A thread that must see accesses under holds that
            // are gone calls `holds`; and the exchange is in the release sequence of each `let_go` before it.
            match self.holds.compare_exchange_weak(
                holds,
                holds + count,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => holds = now,
            }
        }
        false
    }

    /// Takes `count` off the holds. If none is left, the chunks go to the memory: this is the last that
    /// the caller does with the generation, unless it has a reference of its own.
    ///
    /// # Safety
    ///
    /// 1. The caller has these holds, and no other thread takes them off.
    /// 2. `this` came from an [`Arc`] of a generation that they hold.
    pub unsafe fn let_go(this: NonNull<Generation>, count: u64) {
        // SAFETY: by 2., and as the caller's holds keep the shared reference until the exchange.
        let generation = unsafe { this.as_ref() };
        // Relaxed: stored before any other thread had the generation, and changed only after the last hold is gone.
        // `this` may come from a reference to the generation alone; this pointer is the `Arc`'s.
        let shared = generation.next.load(Ordering::Relaxed);
        // AcqRel: Release, so that every access under these holds happens before the chunks are used
        // again; Acquire, so that every access under the holds that went before does too, by the
        // Release with which the last holder pushes. Partner: each other's decrement.
        if generation.holds.fetch_sub(count, Ordering::AcqRel) == count {
            // SAFETY: zero is final, and only one decrement makes it: the shared reference is this one's.
            unsafe { Ready::push(shared) };
        }
    }

    /// The holds. For figures, and to learn which holds are gone.
    pub fn holds(&self) -> u64 {
        // Acquire: pairs with the Release in `let_go`: a thread that sees that a hold is gone sees every access
        // under it.
        self.holds.load(Ordering::Acquire)
    }

    /// Whether its chunks are to be overwritten, or confined, before anything else is done with them.
    pub(crate) fn is_dirty(&self) -> bool {
        self.chunks.bytes() > 0 && (self.scrub.is_needed() || self.scrub.quarantine)
    }

    /// Overwrites its chunks, and confines them if they are to be; says whether they can be used again.
    ///
    /// # Safety
    ///
    /// It has no holds, and the caller has taken it off the ready stack.
    pub(crate) unsafe fn clean(&self) -> bool {
        // SAFETY: 1. only the memory gives them up, for which the caller acts; 2. it has no holds, so no thread uses
        // them.
        unsafe { self.chunks.scrub(self.scrub) };
        // A quarantine ends with its owner.
        let confine = self.scrub.quarantine && !self.account.is_ended();
        if confine {
            // SAFETY: as above.
            *lock(&self.confined) = unsafe { self.chunks.confine() };
        }
        !confine
    }

    /// Whether its chunks are out of use until its owner ends.
    pub fn is_confined(&self) -> bool {
        !lock(&self.confined).is_empty()
    }

    /// Makes its confined chunks accessible again; gives the addresses of those that stay out of reach.
    pub(crate) fn release(&self) -> Vec<NonNull<u8>> {
        let confined = std::mem::take(&mut *lock(&self.confined));
        // SAFETY: confined by `clean`, and not given up since.
        unsafe { super::list::release(&confined) }
    }

    /// For a list of the memory's own, under its lock.
    pub(crate) fn link(this: Arc<Self>, next: *mut Generation) -> *mut Generation {
        // Relaxed: under the lock.
        this.next.store(next, Ordering::Relaxed);
        Arc::into_raw(this).cast_mut()
    }

    /// The first of such a list, and the rest.
    ///
    /// # Safety
    ///
    /// `list` came from [`link`](Self::link), and is not used again.
    pub(crate) unsafe fn unlink(list: *mut Generation) -> Option<(Arc<Self>, *mut Generation)> {
        if list.is_null() {
            return None;
        }
        // SAFETY: by the contract.
        let this = unsafe { Arc::from_raw(list) };
        // Relaxed: under the lock.
        let next = this.next.load(Ordering::Relaxed);
        Some((this, next))
    }
}
