//! Request lines and headers: `GET /path?query` on the first line, then a header a line.

use poem::{
    Request,
    http::{HeaderName, HeaderValue, Method, Uri},
};

use super::{first_line, system};

/// Whatever they say, the answer is one that a stranger may get.
pub fn run(input: &[u8]) {
    let Some((line, rest)) = first_line(input) else { return };
    let Some((method, target)) = line.split_once(' ') else { return };
    let (Ok(method), Ok(uri)) = (method.parse::<Method>(), target.parse::<Uri>()) else { return };
    // What a connection hands over has a path.
    if !uri.path().starts_with('/') {
        return;
    }
    let mut request = Request::builder().method(method).uri(uri).finish();
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_static(system::authorization()));
    for line in rest.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().map(<[u8]>::trim_ascii);
        let value = value.and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    system::send(request);
}
