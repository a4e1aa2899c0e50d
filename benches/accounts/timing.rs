//! Whether the time of a refused sign-in tells that there is an account.

use std::time::Instant;

use serde_json::json;

use crate::{
    harness::{App, Options, Shape},
    median, sign_up,
    wire::{Wire, request},
};

const TRIES: usize = 200;
/// The medians may differ by so much.
const BOUND: f64 = 1.10;

/// Tries accounts that exist and such that do not, in turn, each once: from addresses that are
/// nobody's, as whoever asks would, and from where the accounts were registered.
pub(crate) async fn timing() {
    let trusted = ("LUNATION_TRUSTED_PROXIES".to_owned(), "127.0.0.0/8".to_owned());
    // From one address, the tries of this benchmark would be too many.
    let limits = ["MINUTE", "HOUR"]
        .map(|unit| (format!("LUNATION_LIMITS_FAILURES_PER_ADDRESS_{unit}"), "100000".to_owned()));
    let environment = limits.into_iter().chain([trusted]).collect();
    let options = Options { environment, ..Options::default() };
    let app = App::start_with(Shape::Memory, options).await;
    let mut wire = Wire::open(&app.url()).await;
    println!("\nA wrong password, {TRIES} tries each, in turn");
    for (what, name, is_strange) in
        [("from a strange address", "one", true), ("from the owner's address", "two", false)]
    {
        sign_up(&app.url(), TRIES, name).await;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..TRIES {
            for (name, times) in [(name, &mut known), ("nobody", &mut unknown)] {
                let email = format!("{name}{number}@example.org");
                let body = json!({"email": email, "password": "a wrong password"});
                let origin =
                    format!("X-Forwarded-For: 198.51.{}.{}\r\n", number / 250, number % 250);
                let headers = if is_strange { &origin } else { "" };
                let login = request("POST", "/api/users/login", headers, Some(&body));
                let begun = Instant::now();
                let (status, _) = wire.send(&login).await;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                assert_eq!(status, 401);
            }
        }
        let (known, unknown) = (median(&mut known), median(&mut unknown));
        let ratio = known.max(unknown) / known.min(unknown);
        println!(
            "  {what:<26} account p50 {known:7.3} ms   none p50 {unknown:7.3} ms   ratio {ratio:.3}"
        );
        assert!(ratio <= BOUND, "the medians may differ by a tenth");
    }
    app.finish().await;
}
