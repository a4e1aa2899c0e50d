//! What the model costs. Every time is printed once more as a ratio to a fixed arithmetic loop of
//! the same run, so that machines can be compared.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{hint::black_box, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use lunation_prediction::{Ahead, Length, State, constants::LENGTHS_MAX};

/// Rounds of the fixed loop: dependent multiplications, additions and logarithms.
const LOOP_ROUNDS: u32 = 1000;

/// The fixed arithmetic loop: 1000 dependent steps of one logarithm, multiplication and addition.
fn arithmetic_loop() -> f64 {
    (0..LOOP_ROUNDS).fold(black_box(1.5), |x: f64, _| (x * 1.000_1 + 1.5).ln() + 1.0)
}

/// Three years of a somewhat irregular person, one start not logged.
fn lengths() -> Vec<Length> {
    (0..LENGTHS_MAX)
        .map(|n| Length::new(if n == 20 { 58 } else { 26 + (n * 7 + n * n) % 6 }))
        .collect()
}

/// The middle of 15 means, in nanoseconds.
fn nanoseconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut means: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..200).for_each(|_| drop(black_box(work())));
            start.elapsed().as_secs_f64() * 1e9 / 200.0
        })
        .collect();
    means.sort_by(f64::total_cmp);
    means[7]
}

fn model(criterion: &mut Criterion) {
    let lengths = lengths();
    let known = State::replay(Some(31.0), &lengths[..35]);
    let update = || {
        let mut state = black_box(&known).clone();
        let said = state.update(black_box(Length::new(29)));
        black_box((state, said))
    };
    let table = || black_box(black_box(&known).table(Ahead::Next));
    let replay = || black_box(State::replay(Some(31.0), black_box(&lengths)));
    criterion.bench_function("arithmetic_loop", |bench| bench.iter(arithmetic_loop));
    criterion.bench_function("update", |bench| bench.iter(update));
    criterion.bench_function("table_of_138_days", |bench| bench.iter(table));
    criterion.bench_function("replay_of_36_cycles", |bench| bench.iter(replay));

    let unit = nanoseconds(arithmetic_loop);
    println!("arithmetic loop of {LOOP_ROUNDS} steps: {:.2} µs", unit / 1000.0);
    let report = |name: &str, limit_us: f64, nanoseconds: f64| {
        let ratio = nanoseconds / unit;
        println!("{name}: {:.2} µs (goal {limit_us} µs), {ratio:.3} loops", nanoseconds / 1000.0);
    };
    report("update", 5.0, nanoseconds(update));
    report("table", 150.0, nanoseconds(table));
    report("replay of 36", 100.0, nanoseconds(replay));
}

criterion_group!(benches, model);
criterion_main!(benches);
