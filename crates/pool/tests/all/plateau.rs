//! What is reserved stays where it is over ten thousand epochs, with threads that
//! come and go, readers that stay pinned over an advance, and leases.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use epoch_arena_pool::{ArenaPool, Lease, Memory};

use crate::pools::{adds_up, advance, put_many};
use crate::support::Faulty;

const EPOCHS: usize = if cfg!(miri) { 30 } else { 10_000 };
/// Small ones, so that two in a hundred are several: threads that race may bring one too many each.
const BLOCK: usize = 4 << 10;
/// Epochs until what happens least often has happened twice.
const WARM_UP: usize = EPOCHS / 20;
const THREADS: usize = 3;
/// Of each thread in each epoch.
const PUTS: usize = 60;
/// Epochs that a thread lives.
const LIFE: usize = 25;
const LEASE_EVERY: usize = 100;
const PINNED_EVERY: usize = 7;

/// A thread that writes when it is told to, and may stay pinned until it is told again.
struct Worker<'s> {
    orders: Sender<bool>,
    done: Receiver<()>,
    thread: ScopedJoinHandle<'s, ()>,
}

impl<'s> Worker<'s> {
    fn start<'e>(scope: &'s Scope<'s, 'e>, pool: &'s ArenaPool) -> Self {
        let ((orders, told), (says, done)) = (channel::<bool>(), channel());
        let thread = scope.spawn(move || {
            let mut pinned = None;
            for stay_pinned in told {
                drop(pinned.take());
                put_many(pool, PUTS, &[1; 900]);
                pinned = stay_pinned.then(|| pool.pin());
                says.send(()).unwrap();
            }
        });
        Self {
            orders,
            done,
            thread,
        }
    }

    fn write(&self, stay_pinned: bool) {
        self.orders.send(stay_pinned).unwrap();
    }

    fn wait(&self) {
        self.done.recv().expect("the worker is alive");
    }

    fn end(self) {
        drop(self.orders);
        self.thread.join().unwrap();
    }
}

#[test]
fn ten_thousand_epochs_reserve_what_the_first_few_hundred_did() {
    let source = Faulty::default();
    let memory = Memory::builder().source(source.clone()).block_size(BLOCK);
    let memory = memory.build().unwrap();
    let builder = ArenaPool::builder().memory(memory.clone());
    let pool = builder.retained_epochs(4).build().unwrap();
    let mut reserved = Vec::with_capacity(EPOCHS);
    std::thread::scope(|s| {
        let mut workers: Vec<_> = (0..THREADS).map(|_| Worker::start(s, &pool)).collect();
        let mut lease: Option<Lease> = None;
        for epoch in 0..EPOCHS {
            // All write at once; that they are done before the advance makes each epoch as large
            // as the next, so that growth is growth and not chance.
            let stays = |worker| epoch % PINNED_EVERY == worker;
            (0..THREADS).for_each(|at| workers[at].write(stays(at)));
            workers.iter().for_each(Worker::wait);
            match epoch % LEASE_EVERY {
                0 => lease = pool.lease(pool.current_epoch()),
                60 => lease = None,
                _ => {}
            }
            advance(&pool, 1);
            if epoch % LIFE == LIFE - 1 {
                let fresh = Worker::start(s, &pool);
                let old = epoch / LIFE % THREADS;
                std::mem::replace(&mut workers[old], fresh).end();
            }
            reserved.push(memory.stats().reserved);
            if epoch % 500 == 0 {
                adds_up(&pool);
            }
        }
        drop(lease);
        workers.into_iter().for_each(Worker::end);
    });
    let most = |epochs: &[usize]| epochs.iter().copied().max().unwrap();
    let (warm_up, after) = reserved.split_at(WARM_UP);
    let (plateau, peak) = (most(warm_up), most(after));
    assert!(
        plateau >= 200 * BLOCK || cfg!(miri),
        "{plateau}: too coarse"
    );
    assert!(peak <= plateau + plateau / 50, "{peak} after {plateau}");
    assert!(source.most() <= plateau + plateau / 50, "{}", source.most());
    // And it is of use: not a multiple of what is live at a time.
    let epoch = THREADS * PUTS * 900;
    let needed = (4 + 2 + 1) * epoch;
    assert!(
        peak <= 2 * needed + THREADS * 64 * 4096,
        "{peak} for {needed}"
    );
    println!("{plateau} bytes, then {peak}, for {needed} bytes in epochs that are held");
    advance(&pool, 5);
    pool.maintain();
    assert_eq!((pool.bytes(), memory.stats().in_use), (0, 0));
    memory.trim(0);
    assert_eq!((memory.stats().reserved, source.regions()), (0, 0));
}
