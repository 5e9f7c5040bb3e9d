//! Doubly linked lists threaded through the values of a slot map: a queue costs no allocation and any member leaves in O(1).

use slotmap::{Key, SlotMap};

/// A first-in first-out list of values of one map.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<K> {
    head: Option<K>,
    tail: Option<K>,
    len: u32,
}

/// The place of a value in one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<K> {
    prev: Option<K>,
    next: Option<K>,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        List { head: None, tail: None, len: 0 }
    }
}

impl<K> Default for Links<K> {
    fn default() -> Self {
        Links { prev: None, next: None }
    }
}

impl<K: Key> List<K> {
    /// How many values are in it.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The oldest.
    pub fn front(&self) -> Option<K> {
        self.head
    }

    /// Appends `key`, which is in no list through the same links.
    pub fn push_back<T>(&mut self, map: &mut SlotMap<K, T>, key: K, links: impl Fn(&mut T) -> &mut Links<K>) {
        *links(&mut map[key]) = Links { prev: self.tail, next: None };
        match self.tail {
            Some(tail) => links(&mut map[tail]).next = Some(key),
            None => self.head = Some(key),
        }
        self.tail = Some(key);
        self.len += 1;
    }

    /// Takes `key` out, which is in this list.
    pub fn remove<T>(&mut self, map: &mut SlotMap<K, T>, key: K, links: impl Fn(&mut T) -> &mut Links<K>) {
        let Links { prev, next } = std::mem::take(links(&mut map[key]));
        match prev {
            Some(prev) => links(&mut map[prev]).next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => links(&mut map[next]).prev = prev,
            None => self.tail = prev,
        }
        self.len -= 1;
    }

    /// The keys from the oldest on.
    pub fn iter<'a, T>(
        &self,
        map: &'a SlotMap<K, T>,
        links: impl Fn(&T) -> &Links<K> + 'a,
    ) -> impl Iterator<Item = K> + 'a {
        std::iter::successors(self.head, move |key| links(&map[*key]).next)
    }
}
