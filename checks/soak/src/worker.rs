//! Threads: they begin, work for a while, and end, one way or the other.

use std::sync::PoisonError;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::counts::one;
use crate::job;
use crate::put::Planned;
use crate::rng::Rng;
use crate::scene::Scene;

/// The threads at work, each in its place.
pub struct Workers<'scope, 'scene> {
    scope: &'scope Scope<'scope, 'scene>,
    scene: &'scene Scene,
    at_work: Vec<ScopedJoinHandle<'scope, ()>>,
    started: u64,
}

impl<'scope, 'scene> Workers<'scope, 'scene> {
    /// As many as `count`.
    pub fn start(scope: &'scope Scope<'scope, 'scene>, scene: &'scene Scene, count: usize) -> Self {
        let mut workers = Self {
            scope,
            scene,
            at_work: Vec::new(),
            started: 0,
        };
        for _ in 0..count {
            let new = workers.new_thread();
            workers.at_work.push(new);
        }
        workers
    }

    /// Puts a new thread in the place of each that has ended.
    pub fn replace_ended(&mut self) {
        for at in 0..self.at_work.len() {
            if self.at_work[at].is_finished() {
                let new = self.new_thread();
                let ended = std::mem::replace(&mut self.at_work[at], new);
                self.ended(ended);
            }
        }
    }

    /// Waits for all.
    pub fn end(mut self) {
        for ended in std::mem::take(&mut self.at_work) {
            self.ended(ended);
        }
    }

    fn new_thread(&mut self) -> ScopedJoinHandle<'scope, ()> {
        self.started += 1;
        one(&self.scene.counts.threads);
        let (scene, number) = (self.scene, self.started);
        Builder::new()
            .name(format!("soak {number}"))
            .spawn_scoped(self.scope, move || work(scene, number))
            .expect("a thread can be started")
    }

    fn ended(&self, thread: ScopedJoinHandle<'scope, ()>) {
        match thread.join() {
            Ok(()) => {}
            Err(panic) if panic.is::<Planned>() => one(&self.scene.counts.killed),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                self.scene
                    .fail(format!("panic: {}", text.unwrap_or("of another kind")));
            }
        }
    }
}

fn work(scene: &Scene, number: u64) {
    let mut rng = Rng::new(scene.seed, number);
    let mut left = None;
    for _ in 0..200 + rng.below(2_000) {
        if scene.is_done() {
            return;
        }
        let _open = scene.gate.read().unwrap_or_else(PoisonError::into_inner);
        job::run(scene, &mut rng, &mut left);
    }
}
