//! The values of a batch's photos, in memory that the loader takes back: to ask the system for new memory for each batch costs as
//! much as a good part of filling it.

use std::ops::{Deref, DerefMut};

use crossbeam_channel::{Receiver, Sender};

/// `N * size * size * 3` values in 0..=1, NHWC: photo, row, column, then R, G, B. Dropped, their memory serves a later batch of the same
/// loader.
#[derive(Debug)]
pub struct Images {
    values: Vec<f32>,
    home: Option<Sender<Vec<f32>>>,
}

impl From<Vec<f32>> for Images {
    fn from(values: Vec<f32>) -> Self {
        Self { values, home: None }
    }
}

impl Deref for Images {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Images {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl AsRef<[f32]> for Images {
    fn as_ref(&self) -> &[f32] {
        &self.values
    }
}

impl Clone for Images {
    fn clone(&self) -> Self {
        Self::from(self.values.clone())
    }
}

impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // Where enough are there already, or nobody is, the memory goes back to the system.
            let _ = home.try_send(std::mem::take(&mut self.values));
        }
    }
}

/// Where the memory of batches waits for the next one.
#[derive(Debug)]
pub(crate) struct ImagesPool {
    home: Sender<Vec<f32>>,
    waiting: Receiver<Vec<f32>>,
}

impl ImagesPool {
    /// Keeps the memory of up to `most` batches.
    pub(crate) fn new(most: usize) -> Self {
        let (home, waiting) = crossbeam_channel::bounded(most);
        Self { home, waiting }
    }

    /// `count` values, of which any may be left from an earlier batch.
    pub(crate) fn take(&self, count: usize) -> Images {
        let mut values = self.waiting.try_recv().unwrap_or_default();
        values.resize(count, 0.0);
        Images {
            values,
            home: Some(self.home.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let pool = ImagesPool::new(1);
        let mut first = pool.take(4);
        first.fill(1.0);
        let (at, copy) = (first.as_ptr(), first.clone());
        let second = pool.take(4);
        assert_ne!(second.as_ptr(), at);
        drop(first);
        drop(second);
        let third = pool.take(3);
        assert_eq!((third.as_ptr(), &*third), (at, &[1.0; 3][..]));
        assert_eq!(&*copy, [1.0; 4]);
    }

    #[test]
    fn images_outlive_their_pool() {
        let images = ImagesPool::new(1).take(2);
        assert_eq!(&*images, [0.0; 2]);
    }
}
