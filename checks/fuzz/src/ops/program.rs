//! The parts of a program.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::setup::{Len, MemorySetup, PoolSetup};

/// The most steps, so that a program takes a millisecond.
const MOST_STEPS: usize = 160;

/// A program: the same bytes give the same one.
#[derive(Debug)]
pub struct Program {
    /// The memories that pools may share.
    pub memories: [MemorySetup; 2],
    /// The first pool.
    pub pool: PoolSetup,
    /// The steps, thread after thread.
    pub steps: Vec<Step>,
}

/// One of several, by a number that is taken modulo how many there are.
pub type Pick = u8;

/// One step of the thread whose turn it is.
#[derive(Clone, Debug)]
pub enum Step {
    /// The turn goes to another thread, which begins if it has not.
    Turn(Pick),
    /// Another pool.
    NewPool(PoolSetup),
    /// The program's handle of a pool is dropped, whatever is left of it.
    DropPool(Pick),
    /// A guard, from the pool or from the thread's `LocalPool`.
    Pin { pool: Pick, local: bool },
    /// A guard beside one of the user's own, which was repinned before or not.
    PinWith { pool: Pick, repin: bool },
    /// A guard goes, with all that is borrowed from it.
    Unpin(Pick),
    /// A guard is refreshed, or the user's beside it repinned and the pool's made anew.
    Refresh(Pick),
    /// A copy.
    Copy { hold: Pick, len: Len },
    /// An aligned copy.
    Aligned { hold: Pick, len: Len, shift: u8 },
    /// A copy of three parts.
    Concat { hold: Pick, len: Len },
    /// `alloc_with`.
    With {
        hold: Pick,
        len: Len,
        inside: Inside,
    },
    /// Uninitialised bytes, aligned, kept to be finished later.
    Uninit { hold: Pick, len: Len, shift: u8 },
    /// Such bytes are written, or dropped unwritten.
    Finish {
        hold: Pick,
        which: Pick,
        write: bool,
    },
    /// A key.
    Key { hold: Pick, len: Len },
    /// A batch is opened.
    Batch { hold: Pick, room: Len },
    /// A value is pushed to one.
    Push { hold: Pick, batch: Pick, len: Len },
    /// A batch ends, or is forgotten.
    EndBatch {
        hold: Pick,
        batch: Pick,
        forget: bool,
    },
    /// A value is copied into the current epoch.
    Promote { hold: Pick, which: Pick },
    /// A handle, of any pool, is looked up under a guard, and its bytes are kept.
    Get { hold: Pick, which: Pick },
    /// All handles, under all guards of this thread.
    GetAll,
    /// A handle is looked up in a lease or snapshot, and its bytes are kept.
    Leased { lease: Pick, which: Pick },
    /// Every handle, in every lease and snapshot and with a fresh guard of each pool.
    LookAround,
    /// The next epoch.
    Advance(Pick),
    /// The next epoch, if the current one is the one named.
    AdvanceFrom { pool: Pick, epoch: Pick },
    /// Retires.
    RetireBefore { pool: Pick, epoch: Pick },
    /// Waits for an epoch to be sealed, where that is certain; else looks whether it is.
    WaitSealed { pool: Pick, epoch: Pick },
    /// Maintains.
    Maintain(Pick),
    /// A lease of one epoch, or of all.
    Lease { pool: Pick, epoch: Pick },
    /// A snapshot.
    Snapshot(Pick),
    /// A lease or snapshot is cloned.
    CloneLease(Pick),
    /// A lease or snapshot goes.
    DropLease(Pick),
    /// Everything that can be asked of a pool.
    Ask(Pick),
    /// A block is taken from a memory beside the pools.
    TakeBlock(Pick, Len),
    /// Such a block goes back.
    GiveBlock(Pick),
    /// A memory is trimmed.
    Trim(Pick, u8),
    /// A panic unwinds through all guards and batches of this thread.
    Panic,
    /// This thread ends, if it is not the first.
    End,
}

/// The other work of the closure of `alloc_with`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing.
    Nothing,
    /// It panics.
    Panics,
    /// It allocates in the same pool, under a guard of its own.
    Allocates,
    /// It advances the same pool.
    Advances,
}

impl Arbitrary<'_> for Program {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut program = Self {
            memories: [input.arbitrary()?, input.arbitrary()?],
            pool: input.arbitrary()?,
            steps: Vec::new(),
        };
        while !input.is_empty() && program.steps.len() < MOST_STEPS {
            program.steps.push(input.arbitrary()?);
        }
        Ok(program)
    }
}

impl Arbitrary<'_> for Step {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let code = input.arbitrary::<u8>()?;
        // One byte for two small picks, so that a mutation changes one thing.
        let mut two = || input.arbitrary::<u8>().map(|byte| (byte & 7, byte >> 3));
        Ok(match code % 64 {
            0..=5 => Self::Turn(code >> 6),
            6 => Self::NewPool(input.arbitrary()?),
            7 => Self::DropPool(input.arbitrary()?),
            8..=10 => {
                let (pool, local) = two()?;
                let local = local & 1 == 1;
                Self::Pin { pool, local }
            }
            11 => {
                let (pool, repin) = two()?;
                let repin = repin & 1 == 1;
                Self::PinWith { pool, repin }
            }
            12..=14 => Self::Unpin(input.arbitrary()?),
            15 => Self::Refresh(input.arbitrary()?),
            16..=20 => Self::Copy {
                hold: code >> 6,
                len: input.arbitrary()?,
            },
            21 => {
                let (hold, shift) = two()?;
                Self::Aligned {
                    hold,
                    shift: shift % 15,
                    len: input.arbitrary()?,
                }
            }
            22 => Self::Concat {
                hold: code >> 6,
                len: input.arbitrary()?,
            },
            23 | 24 => {
                let (hold, inside) = two()?;
                let inside = match inside & 3 {
                    0 => Inside::Nothing,
                    1 => Inside::Panics,
                    2 => Inside::Allocates,
                    _ => Inside::Advances,
                };
                Self::With {
                    hold,
                    inside,
                    len: input.arbitrary()?,
                }
            }
            25 => {
                let (hold, shift) = two()?;
                Self::Uninit {
                    hold,
                    shift: shift % 15,
                    len: input.arbitrary()?,
                }
            }
            26 => {
                let (hold, which) = two()?;
                Self::Finish {
                    hold,
                    which: which >> 1,
                    write: which & 1 == 1,
                }
            }
            27 => Self::Key {
                hold: code >> 6,
                len: input.arbitrary()?,
            },
            28 | 29 => Self::Batch {
                hold: code >> 6,
                room: input.arbitrary()?,
            },
            30..=32 => {
                let (hold, batch) = two()?;
                Self::Push {
                    hold,
                    batch,
                    len: input.arbitrary()?,
                }
            }
            33 | 34 => {
                let (hold, batch) = two()?;
                Self::EndBatch {
                    hold,
                    batch: batch >> 1,
                    forget: batch & 1 == 1,
                }
            }
            35 => Self::Promote {
                hold: code >> 6,
                which: input.arbitrary()?,
            },
            36..=39 => Self::Get {
                hold: code >> 6,
                which: input.arbitrary()?,
            },
            40 => Self::GetAll,
            41 => Self::Leased {
                lease: code >> 6,
                which: input.arbitrary()?,
            },
            42 => Self::LookAround,
            43..=47 => Self::Advance(code >> 6),
            48 => {
                let (pool, epoch) = two()?;
                Self::AdvanceFrom { pool, epoch }
            }
            49 => {
                let (pool, epoch) = two()?;
                Self::RetireBefore { pool, epoch }
            }
            50 | 51 => Self::Maintain(code >> 6),
            52 => {
                let (pool, epoch) = two()?;
                Self::WaitSealed { pool, epoch }
            }
            53 | 54 => {
                let (pool, epoch) = two()?;
                Self::Lease { pool, epoch }
            }
            55 => Self::Snapshot(code >> 6),
            56 => Self::CloneLease(input.arbitrary()?),
            57 => Self::DropLease(input.arbitrary()?),
            58 => Self::Ask(code >> 6),
            59 => Self::TakeBlock(code >> 6, input.arbitrary()?),
            60 => Self::GiveBlock(input.arbitrary()?),
            61 => Self::Trim(code >> 6, input.arbitrary()?),
            62 => Self::Panic,
            _ => Self::End,
        })
    }
}
