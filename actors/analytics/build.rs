//! `sqlx::migrate!` embeds the migrations; a new file among them must make it run again.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/analytics");
}
