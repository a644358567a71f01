//! How much of something one holder may have open at a time: connections of a client, streams of a session. Counted in this
//! process alone, as requests are (`traffic`).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places for each holder. Who holds none is not remembered.
pub struct Places<K> {
    each: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A place that is held until this is dropped.
pub struct Place<K: Eq + Hash> {
    places: Arc<Places<K>>,
    holder: K,
}

impl<K: Eq + Hash> Places<K> {
    /// `each` places for every holder.
    pub fn new(each: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { each, taken })
    }

    /// A place for `holder`; `None` while it holds as many as there are for each.
    pub fn take(self: &Arc<Self>, holder: K) -> Option<Place<K>>
    where
        K: Clone,
    {
        let mut taken = self.lock();
        let held = taken.get(&holder).copied().unwrap_or_default();
        if held >= self.each {
            return None;
        }
        taken.insert(holder.clone(), held + 1);
        let places = Arc::clone(self);
        Some(Place { places, holder })
    }

    /// A panic cannot leave a count half written.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(held) = taken.get_mut(&self.holder) {
            *held -= 1;
            if *held == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_so_many_places_and_gets_them_back() {
        let places = Places::new(2);
        let first = places.take("ana").unwrap();
        let _second = places.take("ana").unwrap();
        assert!(places.take("ana").is_none());
        assert!(places.take("bo").is_some());
        drop(first);
        assert!(places.take("ana").is_some());
    }

    #[test]
    fn who_holds_nothing_is_forgotten() {
        let places = Places::new(1);
        drop(places.take("ana"));
        assert!(places.lock().is_empty());
    }
}
