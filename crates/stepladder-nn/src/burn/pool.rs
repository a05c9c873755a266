//! Pooling: windows, the blur, and whole maps.

use super::linear::{from_nchw, to_nchw};
use super::{Flat, flattened};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData, module};
use stepladder_kernels::{BlurPool, GlobalAveragePool, Pool2d, PoolKind, Window};

/// The output of a pooling. Maps are padded beforehand: with what never is the greatest, or with zeros that do not count.
pub(super) fn forward(pool: &Pool2d, x: Flat) -> Flat {
    let Window { kernel, stride, .. } = pool.window;
    let x = padded(pool, x);
    from_nchw(match pool.kind {
        PoolKind::Max => module::max_pool2d(x, MaxPoolOptions::new(kernel).with_stride(stride)),
        PoolKind::Average => {
            let shares = shares(pool, &x.device());
            module::avg_pool2d(x, AvgPoolOptions::new(kernel).with_stride(stride)) * shares
        }
    })
}

/// The gradient by the input; the first of equals is the greatest.
pub(super) fn backward(pool: &Pool2d, x: Flat, dy: Flat) -> Flat {
    let Window {
        kernel,
        stride,
        before,
        ..
    } = pool.window;
    let [height, width] = pool.input;
    let x = padded(pool, x);
    let dy = to_nchw(dy, pool.output(), pool.channels);
    let dx = match pool.kind {
        PoolKind::Max => {
            let options = MaxPoolOptions::new(kernel).with_stride(stride);
            let (_, indices) = module::max_pool2d_with_indices(x.clone(), options);
            module::max_pool2d_with_indices_backward(x, kernel, stride, [0, 0], [1, 1], false, dy, indices)
        }
        PoolKind::Average => {
            let dy = dy * shares(pool, &x.device());
            module::avg_pool2d_backward(x, dy, kernel, stride, [0, 0], true, false)
        }
    };
    from_nchw(dx.narrow(2, before[0], height).narrow(3, before[1], width))
}

fn padded(pool: &Pool2d, x: Flat) -> Tensor<4> {
    let Window { before, after, .. } = pool.window;
    let x = to_nchw(x, pool.input, pool.channels);
    if [before, after] == [[0; 2]; 2] {
        return x;
    }
    let fill = match pool.kind {
        PoolKind::Max => f32::NEG_INFINITY,
        PoolKind::Average => 0.0,
    };
    x.pad(
        [0, 1].map(|axis| (before[axis], after[axis])),
        PadMode::Constant(fill),
    )
}

/// By how much the mean of each window is greater than with its padding, `[1, 1, windows, windows]`.
fn shares(pool: &Pool2d, device: &Device) -> Tensor<4> {
    let Window {
        kernel,
        stride,
        before,
        ..
    } = pool.window;
    let [rows, columns] = pool.output();
    let share = |axis: usize, at: usize| {
        let start = at * stride[axis];
        let end = (start + kernel[axis]).min(before[axis] + pool.input[axis]);
        kernel[axis] as f32 / (end - start.max(before[axis])) as f32
    };
    let of_row = |row: usize| (0..columns).map(move |column| share(0, row) * share(1, column));
    let shares: Vec<f32> = (0..rows).flat_map(of_row).collect();
    Tensor::from_data(TensorData::new(shares, [1, 1, rows, columns]), device)
}

/// The output of a blur: its filter along each axis is a matrix.
pub(super) fn blur_forward(pool: &BlurPool, x: Flat) -> Flat {
    let [rows, columns] = pool.input.map(|size| filter(size, &x.device()));
    along_axes(pool, pool.input, x, [rows, columns])
}

/// The gradient by the input of a blur.
pub(super) fn blur_backward(pool: &BlurPool, dy: Flat) -> Flat {
    let [rows, columns] = pool.input.map(|size| filter(size, &dy.device()).transpose());
    along_axes(pool, pool.output(), dy, [rows, columns])
}

/// Rows and columns of a map, each times a matrix.
fn along_axes(
    pool: &BlurPool,
    [height, width]: [usize; 2],
    x: Flat,
    [rows, columns]: [Tensor<2>; 2],
) -> Flat {
    let [to, _] = rows.dims();
    let x = x.reshape([pool.batch, height, width * pool.channels]);
    let x = rows.unsqueeze::<3>().matmul(x);
    let x = x.reshape([pool.batch * to, width, pool.channels]);
    flattened(columns.unsqueeze::<3>().matmul(x))
}

/// `[1 2 1] / 4` at every other of `size` pixels, one pixel beyond each end reflected: `[size / 2, size]`, rounded up.
fn filter(size: usize, device: &Device) -> Tensor<2> {
    let windows = size.div_ceil(2);
    let mut filter = vec![0.0_f32; windows * size];
    for (window, row) in filter.chunks_exact_mut(size).enumerate() {
        let at = 2 * window;
        row[at] += 0.5;
        row[if at == 0 { 1 } else { at - 1 }] += 0.25;
        row[if at + 1 == size { size - 2 } else { at + 1 }] += 0.25;
    }
    Tensor::from_data(TensorData::new(filter, [windows, size]), device)
}

/// The means of whole maps.
pub(super) fn global_forward(pool: &GlobalAveragePool, x: Flat) -> Flat {
    flattened(x.reshape([pool.batch, pool.pixels, pool.channels]).mean_dim(1))
}

/// The gradient by the maps.
pub(super) fn global_backward(pool: &GlobalAveragePool, dy: Flat) -> Flat {
    let dy = (dy / pool.pixels as f32).reshape([pool.batch, 1, pool.channels]);
    flattened(dy.expand([pool.batch, pool.pixels, pool.channels]))
}
