//! Rules about the code that talks to the databases: whose rows it touches is what it is told first,
//! and every statement says so.

use crate::tree::Tree;

/// Functions of a store that are told of no user, and why not.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    (
        "analytics/src/store/subject_reads.rs",
        &["subject_list_due"],
        "whose forecasts are due today",
    ),
    ("cycles/src/store/retention.rs", &["retention_list_due"], "who has something to forget today"),
    (
        "cycles/src/store/data_keys.rs",
        &["data_key_wrapped_under", "data_key_count", "data_key_list_in_txn"],
        "wraps the keys of everybody anew",
    ),
    (
        "cycles/src/store/data_keys.rs",
        &["in_clear_users", "in_clear_count"],
        "finds what an earlier version left unsealed",
    ),
    ("cycles/src/store/import.rs", &["symptom_ids"], "draws ids, which are nobody's yet"),
    ("users/src/store/mod.rs", &["account_insert_in_txn"], "makes the user"),
    (
        "users/src/store/credentials.rs",
        &["credentials_find"],
        "finds the user by the e-mail address",
    ),
    ("users/src/store/credentials.rs", &["reset_read"], "finds the user by the token of a link"),
    ("users/src/store/sessions.rs", &["session_find_in_txn"], "finds the user by a refresh token"),
    (
        "users/src/store/tokens.rs",
        &["api_token_find_in_txn"],
        "finds the user by a personal API token",
    ),
    ("users/src/store/erasure.rs", &["erasure_by_receipt"], "finds the erasure by its receipt"),
    (
        "users/src/store/credentials.rs",
        &["data_key_read", "data_key_insert", "data_key_replace"],
        "the one key of this database",
    ),
    ("users/src/store/revocations.rs", &["revocations_list"], "a feed of ended sessions"),
    (
        "users/src/store/erasure.rs",
        &["erased_list", "ledger_list", "ledger_since"],
        "a feed of erased users",
    ),
    ("users/src/store/erasure.rs", &["erasures_due"], "whose erasure is to be looked at"),
    (
        "users/src/store/erasure.rs",
        &["erasure_insert_in_txn"],
        "the entry of the ledger says who was erased",
    ),
    ("users/src/store/erasure.rs", &["lineage_read", "lineage_write"], "the name of this database"),
    ("users/src/store/erasure.rs", &["account_last_id", "account_pass_id"], "the counter of ids"),
    (
        "users/src/store/throttle.rs",
        &[
            "throttle_read",
            "throttle_lock_in_txn",
            "throttle_write_in_txn",
            "throttle_take_back_in_txn",
            "throttle_delete_in_txn",
        ],
        "counts under names that nobody can be known by",
    ),
    ("users/src/store/revocations.rs", &["expired_purge"], "purges what nobody can use any more"),
    ("users/src/store/throttle.rs", &["credentials_purge"], "purges what nobody can use any more"),
    ("users/src/store/audit.rs", &["audit_purge"], "purges what is too old"),
    ("users/src/store/erasure.rs", &["erasures_forget_sessions"], "purges what is too old"),
];

/// Where statements are at home beside the stores: what all of them need.
const SHARED: &[&str] = &[
    "actors/runtime/src/database.rs",
    "actors/runtime/src/idempotency.rs",
    "actors/runtime/src/outbox.rs",
];

/// What a statement goes through.
const CONNECTIONS: &[&str] = &["PgPool", "PgConnection", "PgExecutor", "PgTransaction"];
/// Whose rows: one user's, or those of several who are named.
const USERS: &[&str] = &["user_id: UserId", "users: &[UserId]", "users: &[ChangedUser]"];

/// A function as its source says it.
struct Function<'a> {
    name: &'a str,
    parameters: Vec<&'a str>,
    body: &'a str,
}

pub(crate) fn take_the_user_first(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    let mut excepted: Vec<(&str, &str)> = EXCEPTIONS
        .iter()
        .filter(|(path, ..)| tree.text(&format!("actors/{path}")).is_some())
        .flat_map(|(path, names, _)| names.iter().map(move |name| (*path, *name)))
        .collect();
    for (path, text) in stores(tree) {
        for function in functions(text) {
            let Some(through) = function.parameters.iter().position(|it| is_connection(it)) else {
                continue;
            };
            let is_told = function.parameters.get(1).is_some_and(|it| USERS.contains(it));
            let known = excepted.iter().position(|it| *it == (short(path), function.name));
            match (through == 0 && is_told, known) {
                (true, None) => violations.extend(unfiltered(path, &function)),
                (false, Some(at)) => {
                    excepted.swap_remove(at);
                }
                (false, None) => {
                    violations.push(format!("{path}: {} is not told of a user", function.name));
                }
                (true, Some(_)) => {}
            }
        }
    }
    let stale = excepted.into_iter();
    violations.extend(stale.map(|(path, name)| format!("{path}: {name} needs no exception")));
    violations
}

pub(crate) fn keep_statements(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        let is_store = path.contains("/src/store/") || path.ends_with("/src/store.rs");
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        if !path.starts_with("actors/") || is_store || is_test || SHARED.contains(&path) {
            continue;
        }
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = (1..).zip(production.lines());
        let found = lines.filter(|(_, line)| line.contains("sqlx::query"));
        violations.extend(found.map(|(number, line)| format!("{path}:{number}: {}", line.trim())));
    }
    violations
}

fn stores(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.with_extension("rs").filter(|(path, _)| {
        let is_store = path.contains("/src/store/") || path.ends_with("/src/store.rs");
        path.starts_with("actors/") && is_store
    })
}

fn short(path: &str) -> &str {
    path.trim_start_matches("actors/")
}

/// How a statement says whose rows it is about: by what is passed to it.
const NAMES_THEM: &[&str] =
    &["user_id = $", "user_id = ANY($", "unnest($1::bigint[]", "$1::bigint AS user_id"];

/// Statements that do not say whose rows they are about.
fn unfiltered(path: &str, function: &Function) -> Vec<String> {
    let statements = function.body.split("sqlx::query").skip(1).map(literal);
    let silent = statements.filter(|statement| !names_them(statement));
    silent.map(|statement| format!("{path}: {}: {statement}", function.name)).collect()
}

/// A new row has its owner in it, and a user's account has the user's id.
fn names_them(statement: &str) -> bool {
    let stores = statement.trim_start().starts_with("INSERT") && statement.contains("user_id");
    let is_account = statement.contains("account") && statement.contains("WHERE id = $")
        || statement.contains("account.id = $");
    stores || is_account || NAMES_THEM.iter().any(|words| statement.contains(words))
}

/// The first text in a piece of source, which may have quotes of its own if it is a raw one.
fn literal(source: &str) -> &str {
    let Some((before, rest)) = source.split_once('"') else { return "" };
    let end = if before.ends_with("r#") { "\"#" } else { "\"" };
    rest.split(end).next().unwrap_or_default()
}

fn is_connection(parameter: &str) -> bool {
    CONNECTIONS.iter().any(|name| type_of(parameter).contains(name))
}

fn type_of(parameter: &str) -> &str {
    parameter.split_once(": ").map_or("", |(_, it)| it.trim())
}

/// The functions of a source file, as rustfmt leaves them.
fn functions(text: &str) -> Vec<Function<'_>> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let starts: Vec<usize> = text
        .match_indices("fn ")
        .map(|(at, _)| at)
        .filter(|at| {
            let line = text[..*at].rsplit('\n').next().unwrap_or_default();
            let words = ["pub", "async", "const", "unsafe", "extern"];
            line.split_whitespace().all(|word| words.iter().any(|it| word.starts_with(it)))
        })
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let function = |(start, end): (&usize, usize)| {
        let source = &text[start + "fn ".len()..end];
        let name_ends = source.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        // Generics may hold brackets of their own, and no function here has such.
        let opens = source.find('(')?;
        let inside = parameters(&source[opens + 1..])?;
        let body = &source[opens + 1 + inside.len()..];
        let list = split(inside);
        Some(Function { name: &source[..name_ends], parameters: list, body })
    };
    starts.iter().zip(ends).filter_map(function).collect()
}

/// What stands before the bracket that closes the list.
fn parameters(rest: &str) -> Option<&str> {
    let mut open = 0_i32;
    let closes = |c: char| {
        open += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        open < 0
    };
    rest.find(closes).map(|end| &rest[..end])
}

/// The parameters of a list: commas within brackets part nothing.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = list.split(|c: char| {
        depth += match c {
            '(' | '[' | '<' => 1,
            ')' | ']' | '>' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[test]
fn functions_that_are_told_of_nobody_are_found() {
    let verdict = |path: &str, signature: &str, statement: &str| {
        let text = format!(
            "/// Says fn (nothing.\npub(crate) async fn {signature} -> Result<(), Error> {{\n    \
             sqlx::query!(\"{statement}\").await\n}}\n"
        );
        take_the_user_first(&Tree::of(path, &text)).len()
    };
    let path = "actors/new/src/store/things.rs";
    let good = "SELECT 1 FROM thing WHERE user_id = $1";
    let told = "thing_get(\n    pool: &PgPool,\n    user_id: UserId,\n    id: ThingId,\n)";
    assert_eq!(verdict(path, told, good), 0);
    assert_eq!(verdict(path, "things(pool: &PgPool, users: &[UserId])", good), 0);
    assert_eq!(verdict(path, "thing_word(word: &str)", good), 0, "no function of the store");
    assert_eq!(verdict(path, told, "SELECT 1 FROM thing WHERE id = $2"), 1, "not filtered by");
    assert_eq!(verdict(path, told, "SELECT user_id FROM thing WHERE id = $2"), 1, "shown alone");
    assert_eq!(verdict(path, told, "INSERT INTO thing (user_id, id) VALUES ($1, $2)"), 0);
    assert_eq!(verdict(path, told, "SELECT 1 FROM account WHERE id = $1"), 0);
    for told_of_nobody in [
        "thing_get(executor: impl PgExecutor<'_>, id: ThingId)",
        "thing_get(pool: &PgPool, (a, b): (A, B), user_id: UserId)",
        "thing_get(user_id: UserId, connection: &mut PgConnection)",
        "thing_get(pool: &PgPool, after: Option<UserId>)",
    ] {
        assert_eq!(verdict(path, told_of_nobody, good), 1, "{told_of_nobody}");
    }
    let excepted = "actors/users/src/store/tokens.rs";
    assert_eq!(
        verdict(excepted, "api_token_find_in_txn(pool: &PgPool, hash: &SecretHash)", good),
        0
    );
    assert_eq!(
        verdict(excepted, "api_token_find_in_txn(pool: &PgPool, user_id: UserId)", good),
        1,
        "stale"
    );
    assert_eq!(verdict(excepted, told, good), 1, "gone");
}

#[test]
fn statements_outside_of_stores_are_found() {
    let found = |path: &str| keep_statements(&Tree::of(path, "sqlx::query!(\"…\")")).len();
    assert_eq!(found("actors/users/src/service.rs"), 1);
    assert_eq!(found("actors/users/src/store/mod.rs"), 0);
    assert_eq!(found("actors/users/src/tests/mod.rs"), 0);
    assert_eq!(found("actors/runtime/src/outbox.rs"), 0);
    assert_eq!(found("actors/runtime/src/relay.rs"), 1);
}
