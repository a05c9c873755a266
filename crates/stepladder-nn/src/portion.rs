//! How many photos of a batch go through a graph at once in inference.
//!
//! What a layer writes, the next reads. While that lies in the processor's last cache, it costs little beside the
//! arithmetic; a whole batch's maps of an early layer do not. So a batch is taken in portions, unless the weights are so
//! large that reading them for each portion costs more than it saves.

use stepladder_model::Graph;

/// Bytes of what a layer reads and writes that a portion should not exceed; and bytes of weights up to which there are portions.
/// Less than the last cache of processors in use, which other programs want too.
const BYTES: u64 = 12 << 20;

/// The number of photos in a portion, at least 1, for values stored in `size` bytes each; `None` for all at once.
pub(crate) fn portion(graph: &Graph, size: usize) -> Option<usize> {
    let size = size as u64;
    if graph.parameter_count() * size > BYTES {
        return None;
    }
    let values = graph.operations.iter().map(|operation| {
        let read = operation.inputs.iter().map(|source| graph.shape(*source).count());
        read.sum::<u64>() + operation.output.count()
    });
    let most = values.max().unwrap_or(1).max(1);
    Some((BYTES / (most * size)).max(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;

    #[test]
    fn a_portion_is_smaller_for_larger_photos_and_absent_for_large_weights() {
        let graph = |rung: &str, size| RungCatalog::shipped().get(rung).unwrap().graph(size, 5).unwrap();
        let portions = [32, 64, 128, 512].map(|size| portion(&graph("m13", size), 4).unwrap());
        assert!(portions.is_sorted_by(|a, b| a > b), "{portions:?}");
        assert_eq!(portion(&graph("m13", 4096), 4), Some(1));
        // One dense layer of m3 has more weights than the cache holds.
        assert_eq!(portion(&graph("m3", 256), 4), None);
    }
}
