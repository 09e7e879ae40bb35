//! Lists of chunks, through their headers: what the locks of `Chunks` guard.

use crate::chunk::{Chunk, Live};

/// A chunk in the care of its [`Chunks`](crate::chunks::Chunks): on a list, under the lane's lock,
/// or in the hands of the one thread that moves it to another. Not `Copy`: it is in one place.
pub(crate) struct Listed(
    /// Invariant: as promised to `new`.
    Chunk,
);

/// A list of chunks through their headers. Invariant: each as in [`Listed`]; `tail` is the last.
#[derive(Default)]
pub(crate) struct List {
    head: Option<Chunk>,
    tail: Option<Chunk>,
    /// Bytes of its chunks.
    pub bytes: usize,
}

impl Listed {
    /// # Safety
    ///
    /// The chunk exists, and its block is held, for as long as this value or a list has it.
    pub unsafe fn new(chunk: Chunk) -> Self {
        Self(chunk)
    }

    pub fn chunk(&self) -> Chunk {
        self.0
    }

    pub fn live(&self) -> Live<'_> {
        // SAFETY: by the invariant, for the borrow.
        unsafe { self.0.live() }
    }
}

impl List {
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub fn push(&mut self, chunk: Listed) {
        let live = chunk.live();
        live.set_next(self.head);
        self.bytes += live.size();
        self.head = Some(chunk.0);
        self.tail = self.tail.or(self.head);
    }

    pub fn pop(&mut self) -> Option<Listed> {
        let chunk = Listed(self.head?);
        self.head = chunk.live().next();
        if self.head.is_none() {
            self.tail = None;
        }
        self.bytes -= chunk.live().size();
        Some(chunk)
    }

    /// Puts all of `other` in front. Constant time.
    pub fn append(&mut self, other: List) {
        let Some(last) = other.tail else { return };
        Listed(last).live().set_next(self.head);
        self.head = other.head;
        self.tail = self.tail.or(other.tail);
        self.bytes += other.bytes;
    }

    /// The same list once more, to walk while nobody changes it.
    pub fn snapshot(&self) -> List {
        List { ..*self }
    }

    pub fn for_each(&self, mut visit: impl FnMut(Live<'_>)) {
        let mut next = self.head;
        while let Some(chunk) = next.map(Listed) {
            visit(chunk.live());
            next = chunk.live().next();
        }
    }

    /// Takes the first that fits; the others change their order.
    pub fn remove_first(&mut self, fits: impl Fn(Live<'_>) -> bool) -> Option<Listed> {
        let mut all = std::mem::take(self);
        let mut found = None;
        while let Some(chunk) = all.pop() {
            if fits(chunk.live()) {
                found = Some(chunk);
                break;
            }
            self.push(chunk);
        }
        self.append(all);
        found
    }
}
