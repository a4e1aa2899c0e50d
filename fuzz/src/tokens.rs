//! Values of `Authorization`.

use poem::{
    Request,
    http::{HeaderValue, Method},
};

use super::system;

/// Nobody gets in but with a token that we signed, to the last bit.
pub fn run(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let mut request = Request::builder().method(Method::GET).uri_str("/api/users/profile").finish();
    request.headers_mut().insert("authorization", value.clone());
    let outcome = system::send(request);
    if outcome.reached.iter().any(|it| it.op == "get_profile") {
        let text = value.to_str().expect("visible ASCII");
        let (scheme, token) = text.split_once(' ').expect("a scheme");
        assert!(scheme.eq_ignore_ascii_case("bearer"));
        let token = token.trim_start_matches(' ');
        let (signed, _signature) = token.rsplit_once('.').expect("a signature");
        assert_eq!(token, system::signed(signed));
    } else {
        // A well-formed API token is asked about, and nobody knows it here.
        let asked = outcome.reached.iter().any(|it| it.op == "exchange_api_token");
        let allowed: &[u16] = if asked { &[401, 503] } else { &[401, 403] };
        assert!(allowed.contains(&outcome.status), "{}", outcome.status);
    }
}
