//! Hides what is secret: of a URL its password, and nothing else.

use super::sealing;

/// A value as it may be shown: nothing of it if it is a secret as a whole.
pub(super) fn value(name: &str, text: &str) -> String {
    if sealing::SECRETS.contains(&name) { "***".to_owned() } else { urls(text) }
}

/// The URLs of a list with commas, each without its password or token.
fn urls(text: &str) -> String {
    text.split(',').map(url).collect::<Vec<_>>().join(",")
}

/// Whether hiding changes anything.
pub(super) fn holds_secret(name: &str, text: &str) -> bool {
    value(name, text) != text
}

/// One URL without its password. User information without a colon is a token in NATS, so it is
/// hidden there; in Postgres it is the user's name, which is no secret.
fn url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold an unescaped slash; then the last @ before the query still ends it.
    let query_start = rest.find('?').unwrap_or(rest.len());
    let at = rest[..query_start].rfind('@').or_else(|| rest[..authority_end].rfind('@'));
    let (user, place) = match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let user = user.map(|user| match user.split_once(':') {
        Some((name, _)) => format!("{name}:***@"),
        None if scheme.starts_with("postgres") => format!("{user}@"),
        None => "***@".to_owned(),
    });
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}{}", user.unwrap_or_default(), query(place))
}

/// The parameters of a URL whose names say that they are secret.
fn query(place: &str) -> String {
    let Some((path, query)) = place.split_once('?') else { return place.to_owned() };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.to_lowercase().contains("password") => format!("{name}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn secrets_are_hidden_and_nothing_else_is() {
        for (given, shown) in [
            ("postgres://u:pw@db:5432/users", "postgres://u:***@db:5432/users"),
            ("postgres://u@db/users", "postgres://u@db/users"),
            ("postgres://u:p/w@db/users", "postgres://u:***@db/users"),
            ("postgres://db/x?user=u&password=pw&a=b", "postgres://db/x?user=u&password=***&a=b"),
            ("postgres://u@h/x?sslpassword=s", "postgres://u@h/x?sslpassword=***"),
            ("nats://token@h:4222", "nats://***@h:4222"),
            ("nats://a:b@h:4222,nats://c:d@i", "nats://a:***@h:4222,nats://c:***@i"),
            ("127.0.0.1:4222", "127.0.0.1:4222"),
        ] {
            assert_eq!(urls(given), shown);
        }
    }
}
