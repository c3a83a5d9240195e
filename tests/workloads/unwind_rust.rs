// SPDX-License-Identifier: BSD-2-Clause
//! Rust (Debian: rustc): rustc -O unwind_rust.rs. Blocks from generic code, from a closure called by
//! the library's sort, from a thread, and from a panic that is caught and the destructor it runs.
use std::hint::black_box;
use std::panic;
use std::thread;

struct Cleaner(usize);

impl Drop for Cleaner {
    #[inline(never)]
    fn drop(&mut self) {
        keep::<u8>(self.0);
    }
}

#[inline(never)]
fn keep<T: Default + Clone>(count: usize) {
    let block: Vec<T> = vec![T::default(); black_box(count)];
    std::mem::forget(black_box(block));
}

#[inline(never)]
fn descend(levels: usize, count: usize) {
    if levels > 1 {
        descend(levels - 1, count);
    } else {
        keep::<u64>(count);
    }
    black_box(levels);
}

#[inline(never)]
fn give_up(levels: usize) {
    let _cleaner = Cleaner(3000 + levels);
    if black_box(levels) == 0 {
        panic!("on purpose");
    }
    give_up(levels - 1);
    black_box(levels);
}

#[inline(never)]
fn everything() {
    descend(20, 100);
    let mut numbers = black_box(vec![3, 1, 2]);
    numbers.sort_by(|a, b| {
        descend(2, 200);
        a.cmp(b)
    });
    black_box(numbers);
}

fn main() {
    panic::set_hook(Box::new(|_| keep::<u8>(4000)));
    everything();
    thread::spawn(everything).join().unwrap();
    assert!(panic::catch_unwind(|| give_up(3)).is_err());
}
