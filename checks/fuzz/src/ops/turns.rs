//! Who is on, and the end.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::program::{Program, Step};
use super::thread::Thread;
use super::world::World;

/// Threads of a program, the calling one included.
const THREADS: usize = 4;

/// Runs a program to its end, and sees that nothing is left then.
pub fn run(program: Program) {
    let program = Arc::new(program);
    let mut turns = Turns {
        world: Some(Box::new(World::new(&program))),
        first: Thread::new(0),
        others: [const { None }; THREADS - 1],
        program,
    };
    turns.run();
    turns.end();
}

struct Turns {
    program: Arc<Program>,
    /// `None` while another thread has it.
    world: Option<Box<World>>,
    first: Thread,
    others: [Option<Other>; THREADS - 1],
}

/// A thread beside the calling one.
struct Other {
    orders: Sender<(Box<World>, Order)>,
    done: Receiver<Box<World>>,
    join: JoinHandle<()>,
}

enum Order {
    Run(Range<usize>),
    End,
}

impl Turns {
    fn run(&mut self) {
        let program = self.program.clone();
        let (mut who, mut from) = (0, 0);
        for (at, step) in program.steps.iter().enumerate() {
            let next = match step {
                Step::Turn(next) => usize::from(*next) % THREADS,
                Step::End => 0,
                _ => continue,
            };
            self.turn(who, from..at);
            if matches!(step, Step::End) && who != 0 {
                self.end_of(who);
            }
            (who, from) = (next, at + 1);
        }
        self.turn(who, from..program.steps.len());
    }

    fn turn(&mut self, who: usize, steps: Range<usize>) {
        let Some(mut world) = self.world.take() else {
            return;
        };
        if who == 0 || steps.is_empty() {
            for step in &self.program.steps[steps] {
                self.first.step(&mut world, step);
            }
            self.world = Some(world);
        } else {
            let other = &mut self.others[who - 1];
            let other = other.get_or_insert_with(|| Other::start(who, self.program.clone()));
            self.world = other.order(world, Order::Run(steps));
            if self.world.is_none() {
                self.end_of(who); // it panicked: so does this
            }
        }
    }

    fn end_of(&mut self, who: usize) {
        let Some(other) = self.others[who - 1].take() else {
            return;
        };
        if let Some(world) = self.world.take() {
            self.world = other.order(world, Order::End);
        }
        if let Err(panic) = other.join.join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Drops the rest, in one of two orders.
    fn end(mut self) {
        let leases_first = self.program.steps.len().is_multiple_of(2);
        if let Some(world) = &mut self.world {
            if leases_first {
                world.drop_leases();
            } else {
                world.drop_pools();
            }
        }
        for who in 1..THREADS {
            self.end_of(who);
        }
        if let Some(mut world) = self.world.take() {
            self.first.end(&mut world);
            world.end();
        }
    }
}

impl Other {
    fn start(index: usize, program: Arc<Program>) -> Self {
        let (orders, to_do) = channel::<(Box<World>, Order)>();
        let (report, done) = channel();
        let body = move || {
            let mut thread = Thread::new(index);
            for (mut world, order) in to_do {
                let last = match order {
                    Order::Run(steps) => {
                        for step in &program.steps[steps] {
                            thread.step(&mut world, step);
                        }
                        false
                    }
                    Order::End => {
                        thread.end(&mut world);
                        true
                    }
                };
                if report.send(world).is_err() || last {
                    break;
                }
            }
        };
        let join = std::thread::Builder::new().spawn(body);
        Self {
            orders,
            done,
            join: join.expect("a thread can be started"),
        }
    }

    /// Has it done; `None` if the thread panicked meanwhile.
    fn order(&self, world: Box<World>, order: Order) -> Option<Box<World>> {
        self.orders.send((world, order)).ok()?;
        self.done.recv().ok()
    }
}
