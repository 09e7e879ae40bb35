//! The states of one thread, found by the ids of their pools in a few instructions.

use super::state::Owner;

/// A table of states, at most half full. One of a dead pool stays until the table is made anew.
#[derive(Default)]
pub(crate) struct States {
    /// As many as a power of two, or none. A state is at the place of its pool's id, or behind it, with no vacant place between.
    places: Vec<Option<Owner>>,
    entered: usize,
}

impl States {
    pub const fn new() -> Self {
        Self {
            places: Vec::new(),
            entered: 0,
        }
    }

    /// The state in a pool. A few steps, as ids that are counted up spread well.
    #[inline(always)]
    pub fn find(&self, pool: u64) -> Option<&Owner> {
        let mut at = self.place(pool);
        loop {
            let state = self.places.get(at)?.as_ref()?;
            if state.pool() == pool {
                return Some(state);
            }
            at = self.behind(at);
        }
    }

    /// Enters a state in a pool that has none here. Returns those of dead pools, if the table was made anew: constant
    /// time, amortised. They are to be dropped where foreign code may run.
    pub fn enter(&mut self, state: Owner) -> Vec<Owner> {
        let mut dead = Vec::new();
        if 2 * self.entered >= self.places.len() {
            let states = std::mem::take(&mut self.places).into_iter().flatten();
            let alive: Vec<_>;
            (dead, alive) = states.partition(|state| state.is_dead());
            let places = (3 * alive.len()).next_power_of_two().max(8);
            self.places.resize_with(places, || None);
            self.entered = 0;
            alive.into_iter().for_each(|state| self.place_in(state));
        }
        self.place_in(state);
        dead
    }

    /// Puts a state into the first vacant place; there is one.
    fn place_in(&mut self, state: Owner) {
        let mut at = self.place(state.pool());
        while self.places[at].is_some() {
            at = self.behind(at);
        }
        self.places[at] = Some(state);
        self.entered += 1;
    }

    /// How many places there are.
    #[cfg(all(test, not(epoch_arena_loom)))]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the search for a pool begins.
    #[inline(always)]
    fn place(&self, pool: u64) -> usize {
        let mixed = pool.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        mixed as usize & self.places.len().wrapping_sub(1)
    }

    #[inline(always)]
    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }
}
